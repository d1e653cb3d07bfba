/** Every fleet with its clusters by verdict and the worst of them. */
import { Link } from '@tanstack/react-router';
import { Boxes, Plus } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { EXPOSURE_EVERY_MILLISECONDS, exposure } from '../../api/queries/exposure';
import { fleets } from '../../api/queries/fleets';
import { formatCount } from '../../format/size';
import { formatDuration } from '../../format/time';
import { Page } from '../../frame/Page';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { EmptyState, ErrorState } from '../../ui/States';
import { words } from '../../words';
import { VerdictBar } from '../overview/VerdictBar';
import { CreateFleet } from './CreateFleet';
import { descriptionOf, fleetRows, type FleetRow } from './group';

const text = words.fleets;
const LINK = 'rounded-sm font-medium underline-offset-4 hover:underline';

const columns: PlainColumn<FleetRow>[] = [
  {
    id: 'fleet',
    title: text.list.fleet,
    wrap: true,
    cell: ({ name, document }) => (
      <span className="block min-w-28 leading-snug">
        <Link to="/fleets/$fleet" params={{ fleet: name }} className={LINK}>
          {name}
        </Link>
        <span className="block text-sm text-ink-3">{descriptionOf(document)}</span>
      </span>
    ),
  },
  {
    id: 'clusters',
    title: text.list.clusters,
    end: true,
    from: 'sm',
    cell: ({ name, exposures }) => (
      <Link to="/clusters" search={{ fleet: name }} className={`${LINK} num`}>
        {formatCount(exposures.length)}
      </Link>
    ),
  },
  {
    id: 'verdicts',
    title: text.list.verdicts,
    wrap: true,
    cell: ({ name, verdicts, exposures }) =>
      exposures.length === 0 ? (
        <span className="text-ink-3">{text.list.none}</span>
      ) : (
        <VerdictBar verdicts={verdicts} fleet={name} small />
      ),
  },
  {
    id: 'worst',
    title: text.list.worst,
    from: 'md',
    wrap: true,
    cell: ({ worst }) =>
      worst === undefined ? (
        <span className="text-ink-3">{text.list.noWorst}</span>
      ) : (
        <span className="block leading-snug">
          <Link to="/clusters/$cluster" params={{ cluster: worst.cluster }} className={LINK}>
            {worst.cluster}
          </Link>
          <span className="num block text-sm whitespace-nowrap text-ink-2">
            {worst.exposureSeconds == null
              ? words.clusters.noBackup
              : formatDuration(worst.exposureSeconds)}
            {worst.rpoSeconds != null &&
              ` (${words.clusters.rpo(formatDuration(worst.rpoSeconds))})`}
          </span>
        </span>
      ),
  },
  {
    id: 'labels',
    title: text.list.labels,
    from: 'lg',
    wrap: true,
    cell: ({ document }) => (
      <span className="flex flex-wrap gap-1">
        {document === undefined && <Badge tone="warn">{text.list.undeclared}</Badge>}
        {Object.entries(document?.metadata.labels ?? {}).map(([key, value]) => (
          <Badge key={key}>{`${key}=${value}`}</Badge>
        ))}
      </span>
    ),
  },
];

export function FleetsPage() {
  const declared = useWholeList(fleets.list());
  const exposures = useWholeList({
    ...exposure.list(),
    refetchInterval: EXPOSURE_EVERY_MILLISECONDS * 2,
  });
  const [creating, setCreating] = useState(false);
  const rows = useMemo(
    () => fleetRows(declared.items, exposures.items),
    [declared.items, exposures.items],
  );
  const error = declared.error ?? exposures.error;
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={
        <Button icon={Plus} onClick={() => setCreating(true)}>
          {text.create.action}
        </Button>
      }
    >
      {error !== null && rows.length === 0 ? (
        <ErrorState error={error} retry={declared.retry} />
      ) : (
        <Card>
          <PlainTable
            label={text.title}
            columns={columns}
            rows={declared.pending || exposures.pending ? undefined : rows}
            rowId={({ name }) => name}
            empty={
              <EmptyState icon={Boxes} title={text.empty.title}>
                <p>{text.empty.about}</p>
              </EmptyState>
            }
          />
        </Card>
      )}
      {creating && <CreateFleet onClose={() => setCreating(false)} />}
    </Page>
  );
}
