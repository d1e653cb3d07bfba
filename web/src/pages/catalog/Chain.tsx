/** The chain of a backup as a tree: its parents above it, what builds on it below. */
import { useQuery } from '@tanstack/react-query';
import { CornerDownRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { backups, type Backup, type BackupKind } from '../../api/queries/backups';
import { Badge } from '../../ui/Badge';
import { cx } from '../../ui/cx';
import { ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { BackupLink } from '../work/links';
import { childrenOf } from './tree';

const text = words.catalog.detail;

export function Chain({ backup }: { backup: Backup }) {
  const query = useQuery(backups.dependents(backup.id));
  return (
    <ul aria-label={text.chain}>
      <Under parent={backup.parent}>
        <Item backup={backup} current>
          {query.isPending && <Skeleton className="mt-2 ml-6 w-48" />}
          {query.error !== null && query.data === undefined && (
            <div className="mt-2">
              <ErrorState compact error={query.error} />
            </div>
          )}
          {query.data !== undefined &&
            (query.data.dependents.length === 0 ? (
              <p className="mt-1.5 ml-6 text-sm text-ink-3">{text.nothing}</p>
            ) : (
              <Children of={backup.id} all={query.data.dependents} />
            ))}
        </Item>
      </Under>
    </ul>
  );
}

/** What it rests on is drawn around it, up to the full backup. */
function Under({ parent, children }: { parent: string | null | undefined; children: ReactNode }) {
  if (parent === null || parent === undefined) return children;
  return <Parent id={parent}>{children}</Parent>;
}

function Parent({ id, children }: { id: string; children: ReactNode }) {
  const query = useQuery(backups.detail(id));
  if (query.data === undefined) {
    return (
      <li>
        {query.error === null ? (
          <Skeleton className="mb-2 w-56" />
        ) : (
          <p className="mb-2 text-sm text-ink-2">{text.gone}</p>
        )}
        <ul className="ml-6">{children}</ul>
      </li>
    );
  }
  return (
    <Under parent={query.data.parent}>
      <Item backup={query.data}>
        <ul className="mt-2 ml-6 space-y-2">{children}</ul>
      </Item>
    </Under>
  );
}

interface Told {
  id: string;
  kind: BackupKind;
  finishedAt?: string | null;
}

function Item({
  backup,
  current = false,
  children,
}: {
  backup: Told;
  current?: boolean;
  children?: ReactNode;
}) {
  return (
    <li>
      <div
        className={cx(
          'flex flex-wrap items-center gap-x-3 gap-y-1 rounded-md px-2 py-1.5',
          current && 'bg-accent-soft',
        )}
      >
        <CornerDownRight aria-hidden className="size-4 text-ink-3" />
        <BackupLink id={backup.id} />
        <Badge>{words.work.backupKinds[backup.kind]}</Badge>
        <Time at={backup.finishedAt} className="text-sm" />
        {current && <span className="text-sm font-medium text-accent">{text.thisOne}</span>}
      </div>
      {children}
    </li>
  );
}

function Children({ of, all }: { of: string; all: readonly (Told & { parent: string | null })[] }) {
  const children = childrenOf(of, all);
  if (children.length === 0) return null;
  return (
    <ul className="mt-2 ml-6 space-y-2">
      {children.map((child) => (
        <Item key={child.id} backup={child}>
          <Children of={child.id} all={all} />
        </Item>
      ))}
    </ul>
  );
}
