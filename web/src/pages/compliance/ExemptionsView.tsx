/** Who is excused from an RPO, until when, why, and by whose consent. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Stamp } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { compliance, endExemption, type Exemption } from '../../api/queries/compliance';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { StatusPill } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { Switch } from '../../ui/Check';
import { AlertDialog } from '../../ui/Dialog';
import { Equivalent } from '../../ui/Equivalent';
import { EmptyState, ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { None, Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import type { ViewProps } from './CompliancePage';

const text = words.compliance.exemptions;

const columnsOf = (onEnd: (exemption: Exemption) => void): PlainColumn<Exemption>[] => [
  {
    id: 'cluster',
    title: text.cluster,
    cell: ({ cluster }) => (
      <Link
        to="/clusters/$cluster"
        params={{ cluster }}
        className="font-medium underline-offset-4 hover:underline"
      >
        {cluster}
      </Link>
    ),
  },
  {
    id: 'state',
    title: text.state,
    cell: ({ inForce, endedBy }) =>
      inForce ? (
        <StatusPill tone="info" icon={Stamp}>
          {text.inForce}
        </StatusPill>
      ) : (
        <StatusPill tone="idle">{endedBy == null ? text.over : text.ended(endedBy)}</StatusPill>
      ),
  },
  { id: 'reason', title: text.reason, wrap: true, cell: ({ reason }) => reason },
  { id: 'until', title: text.until, cell: ({ until, endedAt }) => <Time at={endedAt ?? until} /> },
  { id: 'by', title: text.requested, from: 'md', cell: ({ requestedBy }) => whoOf(requestedBy) },
  {
    id: 'consent',
    title: text.approved,
    from: 'lg',
    cell: ({ approvedBy }) => (approvedBy.length === 0 ? <None /> : approvedBy.join(', ')),
  },
  {
    id: 'end',
    title: text.end,
    end: true,
    cell: (exemption) =>
      exemption.inForce && (
        <Button size="sm" onClick={() => onEnd(exemption)}>
          {text.end}
        </Button>
      ),
  },
];

export function ExemptionsView({ search, onSearch, onExcuse }: ViewProps) {
  const list = useWholeList(
    compliance.exemptions({ cluster: search.cluster, inForce: search.inForce }),
  );
  const [ending, setEnding] = useState<Exemption>();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: (id: string) => endExemption(id),
    onSuccess: () => {
      for (const key of ['exemptions', 'compliance', 'exposure', 'violations']) {
        void queries.invalidateQueries({ queryKey: [key] });
      }
      toast({ tone: 'ok', title: text.ended2 });
      setEnding(undefined);
    },
  });
  if (list.error !== null && list.items.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  return (
    <>
      <div className="mb-3">
        <Switch
          label={words.compliance.filters.inForce}
          checked={search.inForce ?? false}
          onChange={(inForce) => onSearch({ inForce: inForce || undefined })}
        />
      </div>
      <Card>
        <PlainTable
          label={text.label}
          columns={columnsOf(setEnding)}
          rows={list.pending ? undefined : list.items}
          rowId={({ id }) => id}
          empty={
            <EmptyState
              icon={Stamp}
              title={text.empty}
              actions={
                <Button onClick={() => onExcuse(search.cluster)}>
                  {words.compliance.request.action}
                </Button>
              }
            >
              <p>{text.emptyAbout}</p>
            </EmptyState>
          }
        />
      </Card>
      {ending !== undefined && (
        <AlertDialog
          open
          onOpenChange={(next) => next || setEnding(undefined)}
          title={text.endTitle(ending.cluster)}
          action={text.endAction}
          tone="primary"
          busy={end.isPending}
          onConfirm={() => end.mutate(ending.id)}
        >
          <p>{text.endAbout}</p>
          {end.error !== null && <ErrorState compact error={end.error} />}
          <Equivalent
            cli={`holdfast exemption end ${ending.id}`}
            api={{ method: 'DELETE', path: `/api/v1/exemptions/${ending.id}` }}
          />
        </AlertDialog>
      )}
    </>
  );
}
