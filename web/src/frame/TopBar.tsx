/** The bar above every page: where one is, how current it is, what is wrong, who one is. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Bell, LogOut, Menu as MenuIcon, Monitor, Moon, MonitorX, Search, Sun } from 'lucide-react';
import { useState } from 'react';
import { isApiError } from '../api/problem';
import { access } from '../api/queries/access';
import { status } from '../api/queries/status';
import { session } from '../session/browser';
import { chooseTheme, useTheme } from '../theme/theme';
import { IconButton } from '../ui/Button';
import { Kbd } from '../ui/Code';
import { AlertDialog } from '../ui/Dialog';
import { Menu, MenuChoices, MenuItem, MenuLabel, MenuSeparator } from '../ui/Menu';
import { toast } from '../ui/Toast';
import { Tooltip } from '../ui/Tooltip';
import { words } from '../words';
import { AsOf } from './AsOf';
import { Breadcrumb } from './Breadcrumb';

const text = words.frame;
export const COMMAND_KEY = /mac|iphone|ipad/i.test(navigator.userAgent) ? '⌘' : 'Ctrl';

export function TopBar({
  onNavigation,
  onSearch,
}: {
  onNavigation: () => void;
  onSearch: () => void;
}) {
  return (
    <header className="flex h-14 shrink-0 items-center gap-1.5 border-b border-line px-2 sm:gap-2 sm:px-5">
      <IconButton
        icon={MenuIcon}
        label={text.openNavigation}
        className="lg:hidden"
        onClick={onNavigation}
      />
      <Breadcrumb />
      <AsOf />
      <SearchButton onSearch={onSearch} />
      <Alarms />
      <UserMenu />
    </header>
  );
}

function SearchButton({ onSearch }: { onSearch: () => void }) {
  return (
    <>
      <button
        type="button"
        onClick={onSearch}
        className="hidden h-8 items-center gap-2 rounded-md border border-line bg-sunken pr-1.5 pl-2.5 text-sm text-ink-3 transition-colors hover:border-line-strong hover:text-ink xl:flex xl:w-52"
      >
        <Search aria-hidden className="size-4" />
        <span className="flex-1 text-left">{words.palette.open}</span>
        <Kbd>{COMMAND_KEY}</Kbd>
        <Kbd>{'K'}</Kbd>
      </button>
      <IconButton
        icon={Search}
        label={words.palette.open}
        className="xl:hidden"
        onClick={onSearch}
      />
    </>
  );
}

function Alarms() {
  const { data } = useQuery(status.show());
  if (data === undefined) return null;
  const count = Object.values(data.counts.alarms).reduce((sum, each) => sum + each, 0);
  const label = text.alarms(count);
  return (
    <Tooltip text={label} side="bottom">
      <Link
        to="/alarms"
        aria-label={label}
        className="relative flex size-9 items-center justify-center rounded-md text-ink-2 transition-colors hover:bg-hover hover:text-ink"
      >
        <Bell aria-hidden className="size-[1.125rem]" />
        {count > 0 && (
          <span
            aria-hidden
            className="num absolute top-0.5 right-0 flex h-4 min-w-4 items-center justify-center rounded-full bg-bad px-1 text-[0.625rem] font-bold text-surface"
          >
            {count > 99 ? '99+' : count}
          </span>
        )}
      </Link>
    </Tooltip>
  );
}

function UserMenu() {
  const { data } = useQuery(access.me());
  const theme = useTheme();
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const name = data?.user ?? '';
  const logout = async (everywhere: boolean) => {
    setBusy(true);
    try {
      await session.logout(everywhere);
      setAsking(false);
    } catch (error) {
      toast({
        tone: 'bad',
        title: text.user.logoutFailed,
        more: isApiError(error) ? `${error.message}. ${error.hint}` : undefined,
      });
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Menu
        trigger={
          <button
            type="button"
            aria-label={text.user.menu(name)}
            className="ml-0.5 flex size-8 shrink-0 items-center justify-center rounded-full bg-accent text-sm font-semibold text-on-accent uppercase"
          >
            {name.slice(0, 1)}
          </button>
        }
      >
        <MenuLabel>{name}</MenuLabel>
        <MenuSeparator />
        <MenuChoices
          label={text.user.theme}
          value={theme}
          onChange={chooseTheme}
          choices={[
            { value: 'light', text: text.user.light, icon: Sun },
            { value: 'dark', text: text.user.dark, icon: Moon },
            { value: 'system', text: text.user.system, icon: Monitor },
          ]}
        />
        <MenuSeparator />
        <MenuItem icon={LogOut} onSelect={() => void logout(false)}>
          {text.user.logout}
        </MenuItem>
        <MenuItem icon={MonitorX} onSelect={() => setAsking(true)}>
          {text.user.logoutEverywhere}
        </MenuItem>
      </Menu>
      <AlertDialog
        open={asking}
        onOpenChange={setAsking}
        title={text.user.everywhereTitle}
        action={text.user.logoutEverywhere}
        busy={busy}
        onConfirm={() => void logout(true)}
      >
        <p>{text.user.everywhereAbout}</p>
      </AlertDialog>
    </>
  );
}
