/**
 * A restore that was begun: the rest of its way, live, and what came of it. The address
 * is all there is to keep: browsers, nodes and agents may come and go meanwhile.
 */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { RotateCcw } from 'lucide-react';
import { isOver, restores, type Restore } from '../../api/queries/restores';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { Lsn, None, Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { Copies, Hosts } from '../wizard/Placement';
import { PlanView } from '../wizard/PlanView';
import { tellPoint } from '../wizard/point';
import { Stepper } from '../wizard/Stepper';
import { Await } from '../work/Await';
import { Evidence } from '../work/Evidence';
import { Facts } from '../work/Facts';
import { AgentLink, BackupLink, ClusterLink, RepositoryLink } from '../work/links';
import { CancelRestore } from './CancelRestore';
import { HandOver } from './HandOver';
import { Outcome } from './Outcome';
import { Run } from './Run';
import { Validate } from './Validate';
import { WaitForConsent } from './WaitForConsent';
import { canBeEnded, wayOf } from './way';

const text = words.restores.detail;
const route = getRouteApi('/frame/restores/$restore');
/** Events tell each state; this is for when one was missed. */
const EVERY_MILLISECONDS = 5_000;

export function RestorePage() {
  const { restore: id } = route.useParams();
  const query = useQuery({
    ...restores.detail(id),
    refetchInterval: ({ state }) =>
      state.data === undefined || isOver(state.data.state) ? false : EVERY_MILLISECONDS,
  });
  const restore = query.data;
  return (
    <Page
      title={restore === undefined ? id : text.title(restore.cluster)}
      about={
        <>
          {restore !== undefined && (
            <span className="num mr-2">{text.to(tellPoint(restore.at))}</span>
          )}
          <code className="text-sm break-all">{id}</code>
        </>
      }
      actions={restore !== undefined && <Actions restore={restore} />}
    >
      <Await query={query}>{(found) => <Found restore={found} />}</Await>
    </Page>
  );
}

function Actions({ restore }: { restore: Restore }) {
  return (
    <>
      <Equivalent
        cli={`holdfast restore show ${restore.id}`}
        api={{ method: 'GET', path: `/api/v1/restores/${restore.id}` }}
      />
      {canBeEnded(restore.state) && <CancelRestore restore={restore} />}
      {isOver(restore.state) && (
        <Button asChild>
          <Link
            to="/restores/new"
            search={{
              cluster: restore.cluster,
              at: restore.at,
              agent: restore.agent,
              step: 'target',
            }}
          >
            <RotateCcw aria-hidden className="size-4" />
            {text.again}
          </Link>
        </Button>
      )}
    </>
  );
}

function Found({ restore }: { restore: Restore }) {
  return (
    <div className="grid grid-cols-1 items-start gap-x-8 gap-y-5 lg:grid-cols-[13rem_minmax(0,1fr)]">
      <div className="lg:sticky lg:top-4">
        <Stepper states={wayOf(restore)} />
      </div>
      <div className="min-w-0 space-y-4">
        <Outcome restore={restore} />
        {restore.approval != null && <WaitForConsent restore={restore} />}
        {restore.state !== 'awaitingApproval' && <Run restore={restore} />}
        {restore.state !== 'awaitingApproval' && (
          <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-2">
            <Validate restore={restore} />
            <HandOver restore={restore} />
          </div>
        )}
        {restore.plan != null && (
          <Card>
            <CardHeader title={text.plan.title} about={text.plan.about} />
            <CardBody>
              <PlanView plan={restore.plan} predicted={restore} />
            </CardBody>
          </Card>
        )}
        <Hosts placement={restore.placement ?? []} />
        {restore.copies != null && restore.copies.length > 0 && (
          <Copies copies={restore.copies} tried={restore.copiesTried} />
        )}
        <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-2">
          <Card className="p-4">
            <RestoreFacts restore={restore} />
          </Card>
          <Card>
            <CardHeader title={text.history} />
            <CardBody>
              <ol className="space-y-1.5">
                {restore.history.map(({ state, at }) => (
                  <li key={`${state} ${at}`} className="flex justify-between gap-3">
                    <span>{words.work.restoreStates[state]}</span>
                    <Time absolute at={at} className="text-ink-2" />
                  </li>
                ))}
              </ol>
            </CardBody>
          </Card>
        </div>
        <Evidence name={restore.id} record={restore} about={text.evidenceAbout} />
      </div>
    </div>
  );
}

function RestoreFacts({ restore }: { restore: Restore }) {
  const { facts } = text;
  return (
    <Facts
      facts={[
        { term: facts.cluster, value: <ClusterLink name={restore.cluster} /> },
        { term: facts.agent, value: <AgentLink name={restore.agent} /> },
        { term: facts.repository, value: <RepositoryLink name={restore.repository} /> },
        { term: facts.backup, value: <BackupLink id={restore.backup} /> },
        {
          term: facts.by,
          value: restore.requestedBy == null ? <None /> : whoOf(restore.requestedBy),
        },
        { term: facts.planned, value: <Time at={restore.plannedAt} /> },
        { term: facts.begun, value: <Time at={restore.begunAt} /> },
        { term: facts.finished, value: <Time at={restore.finishedAt} /> },
        {
          term: facts.dir,
          wide: true,
          value: <Lsn at={restore.dir} className="break-all whitespace-normal" />,
        },
      ]}
    />
  );
}
