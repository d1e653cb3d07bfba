/** What nobody protects, with the document that would, or the word that it needs none. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { ShieldCheck, ShieldOff, ShieldQuestionMark } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import type { Unprotected } from '../../api/queries/overview';
import { heedServer, unprotected } from '../../api/queries/unprotected';
import { Page } from '../../frame/Page';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { StatusPill } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { cx } from '../../ui/cx';
import { Switch } from '../../ui/Check';
import { EmptyState, ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { IgnoreDialog } from './IgnoreDialog';
import { ProtectDialog } from './ProtectDialog';
import { foundOf, keyOf, type Found } from './servers';

const text = words.unprotected;
const route = getRouteApi('/frame/unprotected');
const LINK = 'rounded-sm font-medium underline-offset-4 hover:underline';

type Act = { kind: 'protect' | 'ignore'; found: Found };

export function UnprotectedPage() {
  const { ignored } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useWholeList(unprotected.list({ ignored }));
  const [act, setAct] = useState<Act>();
  return (
    <Page title={text.title} about={text.about}>
      <div className="mb-3">
        <Switch
          label={text.filters.ignored}
          checked={ignored ?? false}
          onChange={(next) =>
            void navigate({ search: { ignored: next || undefined }, replace: true })
          }
        />
      </div>
      {list.error !== null && list.items.length === 0 ? (
        <ErrorState error={list.error} retry={list.retry} />
      ) : (
        <Card>
          <PlainTable
            label={text.title}
            columns={columnsOf(setAct)}
            rows={list.pending ? undefined : foundOf(list.items)}
            rowId={({ row }) => keyOf(row)}
            empty={
              <EmptyState icon={ShieldCheck} title={text.empty}>
                <p>{text.emptyAbout}</p>
              </EmptyState>
            }
          />
        </Card>
      )}
      {act?.kind === 'protect' && (
        <ProtectDialog found={act.found} onClose={() => setAct(undefined)} />
      )}
      {act?.kind === 'ignore' && (
        <IgnoreDialog found={act.found} onClose={() => setAct(undefined)} />
      )}
    </Page>
  );
}

const columnsOf = (onAct: (act: Act) => void): PlainColumn<Found>[] => [
  {
    id: 'what',
    title: text.columns.what,
    wrap: true,
    cell: ({ row }) => (
      <>
        <What row={row} />
        <span className="mt-1.5 block sm:hidden">
          <Why row={row} />
        </span>
      </>
    ),
  },
  {
    id: 'why',
    title: text.columns.why,
    from: 'sm',
    wrap: true,
    cell: ({ row }) => <Why row={row} />,
  },
  {
    id: 'where',
    title: text.columns.where,
    from: 'md',
    wrap: true,
    cell: ({ by }) =>
      by.map(({ agent }) => (
        <Link
          key={agent}
          to={`/agents/${agent}` as string}
          className={cx(LINK, 'mr-2 whitespace-nowrap')}
        >
          {agent}
        </Link>
      )),
  },
  {
    id: 'found',
    title: text.columns.found,
    from: 'sm',
    cell: ({ row }) => <Time at={row.firstSeenAt} />,
  },
  {
    id: 'act',
    title: text.columns.act,
    end: true,
    cell: (found) => <Acts found={found} onAct={onAct} />,
  },
];

function What({ row: { reason, cluster, instance } }: { row: Unprotected }) {
  if (reason === 'no_policy' && cluster != null) {
    return (
      <Link to="/clusters/$cluster" params={{ cluster }} className={LINK}>
        {cluster}
      </Link>
    );
  }
  return (
    <span className="block min-w-40 leading-snug">
      <span className="font-medium">
        {instance?.version == null ? text.serverUnknown : text.server(instance.version)}
      </span>{' '}
      <span className="num text-ink-2">
        {instance?.port != null && text.port(instance.port)}
        {instance?.running === false && ` ${text.stopped}`}
      </span>
      <code className="block text-xs break-all text-ink-3">{instance?.dataDirectory}</code>
    </span>
  );
}

function Why({ row: { reason, cluster, ignored } }: { row: Unprotected }) {
  if (ignored != null) {
    return (
      <span className="text-sm text-ink-2">{text.ignored(whoOf(ignored.by), ignored.reason)}</span>
    );
  }
  return (
    <span className="block space-y-1">
      <StatusPill tone="bad" icon={ShieldOff}>
        {reason === 'no_policy' ? text.noPolicy : text.notDeclared}
      </StatusPill>
      {reason === 'not_declared' && cluster != null && (
        <span className="block text-sm text-ink-2">
          {text.dataOf}{' '}
          <Link to="/clusters/$cluster" params={{ cluster }} className={LINK}>
            {cluster}
          </Link>
        </span>
      )}
    </span>
  );
}

function Acts({ found, onAct }: { found: Found; onAct: (act: Act) => void }) {
  const { row, by } = found;
  const queries = useQueryClient();
  const directory = row.instance?.dataDirectory ?? '';
  const heed = useMutation({
    mutationFn: () => Promise.all(by.map(({ agent }) => heedServer(agent, directory))),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['unprotected'] });
      void queries.invalidateQueries({ queryKey: ['status'] });
      toast({ tone: 'ok', title: text.heedDone });
    },
    onError: (error) => toast({ tone: 'bad', title: error.message }),
  });
  if (row.reason === 'no_policy') {
    return (
      <Button size="sm" asChild>
        <Link to="/policies">{text.choosePolicy}</Link>
      </Button>
    );
  }
  if (row.ignored != null) {
    return (
      <Button size="sm" busy={heed.isPending} onClick={() => heed.mutate()}>
        {text.heed}
      </Button>
    );
  }
  return (
    <span className="inline-flex flex-col items-end gap-1.5 lg:flex-row">
      <Button size="sm" icon={ShieldCheck} onClick={() => onAct({ kind: 'protect', found })}>
        {text.protect}
      </Button>
      <Button
        size="sm"
        variant="ghost"
        icon={ShieldQuestionMark}
        onClick={() => onAct({ kind: 'ignore', found })}
      >
        {text.ignore}
      </Button>
    </span>
  );
}
