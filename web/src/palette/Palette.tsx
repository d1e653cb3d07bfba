/** The command palette (Ctrl or ⌘ and K): pages, clusters and acts by name. */
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Database, LogOut, Monitor, Moon, Search, Sun, type LucideIcon } from 'lucide-react';
import { Dialog } from 'radix-ui';
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { useWholeList } from '../api/pages';
import { clusters } from '../api/queries/clusters';
import { nav } from '../frame/nav';
import { session } from '../session/browser';
import { chooseTheme } from '../theme/theme';
import { cx } from '../ui/cx';
import { Kbd } from '../ui/Code';
import { words } from '../words';
import { rank } from './rank';

interface Command {
  id: string;
  group: string;
  text: string;
  icon: LucideIcon;
  run: () => void;
}

const text = words.palette;
const MOST = 8;

export function Palette({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 animate-in bg-scrim" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed inset-x-3 top-[10dvh] z-40 mx-auto flex max-h-[70dvh] max-w-xl animate-in flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-float"
        >
          <Dialog.Title className="sr-only">{text.title}</Dialog.Title>
          <Commands onDone={() => onOpenChange(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Commands({ onDone }: { onDone: () => void }) {
  const [typed, setTyped] = useState('');
  const [active, setActive] = useState(0);
  const found = useCommands(typed);
  const list = useId();
  const box = useRef<HTMLUListElement>(null);
  useEffect(() => {
    box.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  const run = (command: Command | undefined) => {
    if (command === undefined) return;
    onDone();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const last = found.length - 1;
    if (event.key === 'ArrowDown') setActive(active >= last ? 0 : active + 1);
    else if (event.key === 'ArrowUp') setActive(active <= 0 ? last : active - 1);
    else if (event.key === 'Enter') run(found[active]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Search aria-hidden className="size-[1.125rem] shrink-0 text-ink-3" />
        <input
          autoFocus
          role="combobox"
          aria-label={text.title}
          aria-expanded
          aria-controls={list}
          aria-activedescendant={found[active] && `${list}-${active}`}
          autoComplete="off"
          spellCheck={false}
          placeholder={text.placeholder}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
          className="h-12 min-w-0 flex-1 bg-transparent text-lg outline-none placeholder:text-ink-3"
        />
      </div>
      <ul
        ref={box}
        id={list}
        role="listbox"
        aria-label={text.results}
        className="scroll-quiet min-h-0 flex-1 overflow-y-auto p-2"
      >
        {found.map((command, index) => (
          <Row
            key={command.id}
            id={`${list}-${index}`}
            command={command}
            heading={command.group !== found[index - 1]?.group}
            active={index === active}
            onHover={() => setActive(index)}
            onChoose={() => run(command)}
          />
        ))}
      </ul>
      {found.length === 0 && <p className="px-3 pb-8 text-center text-ink-2">{text.none}</p>}
      <footer className="hidden items-center gap-4 border-t border-line px-4 py-2 text-xs text-ink-3 sm:flex">
        <span className="flex items-center gap-1.5">
          <Kbd>{'↑'}</Kbd>
          <Kbd>{'↓'}</Kbd>
          {text.keys.move}
        </span>
        <span className="flex items-center gap-1.5">
          <Kbd>{'↵'}</Kbd>
          {text.keys.choose}
        </span>
        <span className="flex items-center gap-1.5">
          <Kbd>{'esc'}</Kbd>
          {text.keys.close}
        </span>
      </footer>
    </>
  );
}

function Row({
  id,
  command: { group, text: name, icon: Icon },
  heading,
  active,
  onHover,
  onChoose,
}: {
  id: string;
  command: Command;
  heading: boolean;
  active: boolean;
  onHover: () => void;
  onChoose: () => void;
}) {
  return (
    <>
      {heading && (
        <li role="presentation" className="px-2.5 pt-2 pb-1 text-xs font-medium text-ink-3">
          {group}
        </li>
      )}
      <li
        id={id}
        role="option"
        aria-selected={active}
        onMouseMove={onHover}
        onClick={onChoose}
        className={cx(
          'flex h-9 cursor-pointer items-center gap-3 rounded-md px-2.5',
          active && 'bg-accent-soft text-accent-strong dark:text-accent',
        )}
      >
        <Icon aria-hidden className="size-4 shrink-0 opacity-80" />
        <span className="truncate">{name}</span>
      </li>
    </>
  );
}

function useCommands(typed: string): Command[] {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const all = useWholeList(clusters.list());
  const pages = nav.flatMap(({ pages: each }) =>
    each.map(({ to, text: name, icon }): Command => ({
      id: to,
      group: text.groups.pages,
      text: name,
      icon,
      run: () => void navigate({ to }),
    })),
  );
  const named = all.items.map(({ metadata: { name } }): Command => ({
    id: `cluster ${name}`,
    group: text.groups.clusters,
    text: name,
    icon: Database,
    run: () => void navigate({ to: '/clusters/$cluster', params: { cluster: name } }),
  }));
  const act = (name: string, icon: LucideIcon, run: () => void): Command => ({
    id: name,
    group: text.groups.actions,
    text: name,
    icon,
    run,
  });
  const actions = [
    act(text.actions.light, Sun, () => chooseTheme('light')),
    act(text.actions.dark, Moon, () => chooseTheme('dark')),
    act(text.actions.system, Monitor, () => chooseTheme('system')),
    act(text.actions.logout, LogOut, () => void session.logout(false).catch(() => queries.clear())),
  ];
  const sought = typed.trim();
  const best = (commands: Command[], most: number) =>
    rank(sought, commands, (command) => command.text).slice(0, most);
  return [
    ...best(pages, pages.length),
    ...(sought === '' ? [] : best(named, MOST)),
    ...best(actions, MOST),
  ];
}
