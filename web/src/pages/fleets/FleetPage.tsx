/** One fleet: its truth in a sentence, its worst, its policies. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { Boxes, Trash2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { EXPOSURE_EVERY_MILLISECONDS, exposure } from '../../api/queries/exposure';
import { deleteFleet } from '../../api/queries/fleet-changes';
import { fleets } from '../../api/queries/fleets';
import { formatCount } from '../../format/size';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { AlertDialog } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { VerdictBar } from '../overview/VerdictBar';
import { WorstCard } from '../overview/WorstCard';
import { sentenceOf } from '../overview/truth';
import { byPolicy, descriptionOf, fleetRows } from './group';

const text = words.fleets;
const route = getRouteApi('/frame/fleets/$fleet');
const LINK = 'rounded-sm font-medium underline-offset-4 hover:underline';

export function FleetPage() {
  const { fleet } = route.useParams();
  const declared = useWholeList(fleets.list());
  const members = useWholeList(clusters.list({ fleet }));
  const exposures = useWholeList({
    ...exposure.list({ fleet }),
    refetchInterval: EXPOSURE_EVERY_MILLISECONDS,
  });
  const row = useMemo(
    () =>
      fleetRows(
        declared.items.filter(({ metadata }) => metadata.name === fleet),
        exposures.items,
      ).find(({ name }) => name === fleet),
    [declared.items, exposures.items, fleet],
  );
  const policies = useMemo(() => byPolicy(members.items), [members.items]);
  const error = exposures.error ?? declared.error;
  if (error !== null && row === undefined) {
    return (
      <Page title={fleet}>
        <ErrorState error={error} retry={exposures.retry} />
      </Page>
    );
  }
  if (row === undefined) {
    return (
      <Page title={fleet}>
        {declared.complete && exposures.complete ? (
          <EmptyState icon={Boxes} title={text.detail.unknown}>
            <p>{text.detail.unknownAbout}</p>
          </EmptyState>
        ) : (
          <Skeleton className="h-40 w-full" />
        )}
      </Page>
    );
  }
  return (
    <Page
      title={fleet}
      about={descriptionOf(row.document)}
      actions={
        <>
          <Button asChild>
            <Link to="/compliance" search={{ fleet }}>
              {text.detail.compliance}
            </Link>
          </Button>
          <Button asChild>
            <Link to="/clusters" search={{ fleet }}>
              {text.detail.allClusters}
            </Link>
          </Button>
          {row.document !== undefined && row.exposures.length === 0 && <DeleteFleet name={fleet} />}
        </>
      }
    >
      <div className="space-y-4">
        <Card className="px-5 pt-5 pb-1">
          <p className="text-2xl leading-8 font-semibold tracking-tight text-balance">
            {row.exposures.length === 0
              ? text.list.none
              : `${sentenceOf(row.verdicts, row.exposures.length)}.`}
          </p>
          <div className="py-4">
            <VerdictBar verdicts={row.verdicts} fleet={fleet} />
          </div>
        </Card>
        <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
          <WorstCard fleet={fleet} />
          <Card>
            <CardHeader title={text.detail.policies} />
            <CardBody>
              {members.pending ? (
                <Skeleton className="h-16 w-full" />
              ) : (
                <ul className="space-y-1.5">
                  {policies.map(([policy, count]) => (
                    <li key={policy ?? ''} className="flex items-center justify-between gap-3">
                      {policy === undefined ? (
                        <span className="text-bad">{text.detail.noPolicy}</span>
                      ) : (
                        <Link to="/policies/$policy" params={{ policy }} className={LINK}>
                          {policy}
                        </Link>
                      )}
                      <Link
                        to="/clusters"
                        search={policy === undefined ? { fleet } : { fleet, policy }}
                        className="num rounded-sm text-ink-2 underline-offset-4 hover:underline"
                      >
                        {text.detail.policyOf(formatCount(count), count)}
                      </Link>
                    </li>
                  ))}
                </ul>
              )}
            </CardBody>
          </Card>
        </div>
      </div>
    </Page>
  );
}

function DeleteFleet({ name }: { name: string }) {
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const remove = useMutation({
    mutationFn: () => deleteFleet(name),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['fleets'] });
      toast({ tone: 'ok', title: text.remove.done });
      void navigate({ to: '/fleets' });
    },
  });
  return (
    <>
      <Button icon={Trash2} onClick={() => setOpen(true)}>
        {text.remove.action}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={text.remove.title(name)}
        action={text.remove.submit}
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        <p>{text.remove.about}</p>
        {remove.error !== null && <ErrorState compact error={remove.error} />}
        <Equivalent
          cli={`holdfast delete fleet ${shellWord(name)}`}
          api={{ method: 'DELETE', path: `/api/v1/fleets/${name}` }}
        />
      </AlertDialog>
    </>
  );
}
