/** The newest backups of the cluster. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Archive, CircleCheck, CircleDashed, CircleX, LoaderCircle, Trash2 } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { clusterParts, type Backup } from '../../api/queries/cluster-parts';
import { formatLocal } from '../../format/time';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { StatusPill, type Tone } from '../../ui/Badge';
import { Card } from '../../ui/Card';
import { EmptyState, ErrorState } from '../../ui/States';
import { Bytes, None, Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { RepositoryLinks } from '../work/links';

const text = words.cluster.backups;
const { kinds, states } = words.coverage;

const LOOKS: Record<Schemas['BackupState'], { tone: Tone; icon: typeof CircleX }> = {
  available: { tone: 'ok', icon: CircleCheck },
  running: { tone: 'info', icon: LoaderCircle },
  failed: { tone: 'bad', icon: CircleX },
  condemned: { tone: 'idle', icon: Trash2 },
  deleted: { tone: 'idle', icon: CircleDashed },
};
const LINK = 'underline-offset-4 hover:underline decoration-line-strong';

const columns: PlainColumn<Backup>[] = [
  {
    id: 'when',
    title: text.when,
    cell: ({ finishedAt, startedAt, state, id }) => (
      <Link to="/catalog/$backup" params={{ backup: id }} className={LINK}>
        {finishedAt == null || state === 'running' ? (
          <>
            {text.started} <Time at={startedAt} />
          </>
        ) : (
          <Time at={finishedAt} />
        )}
      </Link>
    ),
  },
  { id: 'kind', title: text.kind, cell: ({ kind }) => kinds[kind] },
  {
    id: 'state',
    title: text.state,
    cell: ({ state, error }) => (
      <span title={error?.message}>
        <StatusPill {...LOOKS[state]}>
          {states[state].charAt(0).toUpperCase() + states[state].slice(1)}
        </StatusPill>
      </span>
    ),
  },
  {
    id: 'size',
    title: text.size,
    end: true,
    from: 'sm',
    cell: ({ databaseBytes }) => <Bytes bytes={databaseBytes} />,
  },
  {
    id: 'added',
    title: text.added,
    end: true,
    from: 'md',
    cell: ({ addedBytes }) => <Bytes bytes={addedBytes} />,
  },
  {
    id: 'where',
    title: text.where,
    from: 'lg',
    cell: ({ repositories }) => <RepositoryLinks names={repositories} />,
  },
  {
    id: 'kept',
    title: text.kept,
    from: 'lg',
    cell: ({ hold, condemned }) =>
      hold != null ? (
        <span title={hold.reason}>{text.held(whoOf(hold.by))}</span>
      ) : condemned != null ? (
        <span title={condemned.reason}>
          {text.condemned} <Time at={condemned.deleteAfter} />
        </span>
      ) : (
        <None />
      ),
  },
  {
    id: 'restore',
    title: text.restore,
    end: true,
    cell: ({ state, id, kind, cluster, finishedAt }) =>
      state === 'available' && (
        <Link
          {...(kind === 'logical'
            ? { to: '/restores/dump', search: { cluster, backup: id } }
            : { to: '/restores/new', search: { cluster, at: `backup:${id}` } })}
          aria-label={text.restoreIt(formatLocal(new Date(finishedAt ?? 0)))}
          className="font-medium text-accent underline-offset-4 hover:underline"
        >
          {text.restore}
        </Link>
      ),
  },
];

export function BackupsTab({ cluster }: { cluster: string }) {
  const query = useQuery(clusterParts.backups(cluster));
  if (query.error !== null && query.data === undefined) {
    return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  }
  return (
    <Card>
      <PlainTable
        label={text.label}
        columns={columns}
        rows={query.data?.items.slice(0, 50)}
        rowId={({ id }) => id}
        empty={
          <EmptyState icon={Archive} title={text.empty}>
            <p>{text.emptyAbout}</p>
          </EmptyState>
        }
      />
      <p className="border-t border-line px-4 py-2.5 text-sm">
        <Link to="/catalog" search={{ cluster }} className={LINK}>
          {text.all}
        </Link>
      </p>
    </Card>
  );
}
