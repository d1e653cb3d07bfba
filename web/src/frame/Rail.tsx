/** Navigation: a rail on wide screens, the same in a sheet on phones. */
import { Link } from '@tanstack/react-router';
import { PanelLeftClose, PanelLeftOpen } from 'lucide-react';
import { IconButton } from '../ui/Button';
import { cx } from '../ui/cx';
import { Tooltip } from '../ui/Tooltip';
import { words } from '../words';
import { Logo } from './Logo';
import { nav, type NavPage } from './nav';

export function NavList({
  compact = false,
  onChosen,
}: {
  compact?: boolean;
  onChosen?: () => void;
}) {
  return (
    <nav aria-label={words.frame.navigation} className="flex flex-col gap-4">
      {nav.map(({ text, pages }) => (
        <div key={text ?? ''}>
          {text !== undefined && (
            <h2
              className={cx(
                'px-2.5 pb-1 text-xs font-medium tracking-normal text-ink-3',
                compact && 'sr-only',
              )}
            >
              {text}
            </h2>
          )}
          <ul className="flex flex-col gap-px">
            {pages.map((page) => (
              <li key={page.to}>
                <NavLink page={page} compact={compact} {...(onChosen && { onChosen })} />
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function NavLink({
  page: { to, text, icon: Icon },
  compact,
  onChosen,
}: {
  page: NavPage;
  compact: boolean;
  onChosen?: () => void;
}) {
  const link = (
    <Link
      to={to}
      activeOptions={{ exact: to === '/', includeSearch: false }}
      activeProps={{ 'data-active': '' }}
      {...(onChosen && { onClick: onChosen })}
      className={cx(
        'group flex h-8 items-center gap-2.5 rounded-md px-2.5 font-medium text-ink-2 transition-colors hover:bg-hover hover:text-ink',
        'data-active:bg-accent-soft data-active:text-accent-strong dark:data-active:text-accent',
        compact && 'w-9 justify-center px-0',
      )}
    >
      <Icon aria-hidden className="size-[1.0625rem] shrink-0" strokeWidth={1.9} />
      <span className={cx(compact && 'sr-only')}>{text}</span>
    </Link>
  );
  return compact ? (
    <Tooltip text={text} side="right">
      {link}
    </Tooltip>
  ) : (
    link
  );
}

export function Rail({ compact, onToggle }: { compact: boolean; onToggle: () => void }) {
  const label = compact ? words.frame.expand : words.frame.collapse;
  return (
    <aside
      className={cx(
        'sticky top-0 hidden h-dvh shrink-0 flex-col lg:flex',
        compact ? 'w-[3.75rem] px-3' : 'w-56 pr-1 pl-3',
      )}
    >
      <div className={cx('flex h-16 shrink-0 items-center', compact ? 'justify-center' : 'px-2')}>
        <Link to="/" className="rounded-md">
          <Logo compact={compact} />
        </Link>
      </div>
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto pb-3">
        <NavList compact={compact} />
      </div>
      <div className={cx('py-3', compact ? '' : 'px-0.5')}>
        <IconButton
          icon={compact ? PanelLeftOpen : PanelLeftClose}
          label={label}
          aria-expanded={!compact}
          onClick={onToggle}
        />
      </div>
    </aside>
  );
}
