/** One request: what exactly would be done, to whom, who said what and who may. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { UserRoundX } from 'lucide-react';
import { access } from '../../api/queries/access';
import { approvals, type Approval } from '../../api/queries/approvals';
import { Page } from '../../frame/Page';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { Equivalent } from '../../ui/Equivalent';
import { Time } from '../../ui/Values';
import { Subject } from '../../subjects/Subject';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { Await } from '../work/Await';
import { Facts } from '../work/Facts';
import { ClusterLink } from '../work/links';
import { ApprovalPill } from '../work/pills';
import { actionWords, isMine } from './about';
import { Consents } from './Consents';
import { Diff } from './Diff';
import { Effects } from './Effects';
import { VoteButtons } from './VoteButtons';
import { WhoMay } from './WhoMay';

const text = words.approvals;
const route = getRouteApi('/frame/approvals/$approval');

export function ApprovalPage() {
  const { approval: id } = route.useParams();
  const query = useQuery(approvals.detail(id));
  const request = query.data;
  return (
    <Page
      title={request === undefined ? id : actionWords(request.action)}
      about={<code className="text-sm break-all">{id}</code>}
      actions={
        request !== undefined && (
          <>
            <Equivalent
              cli={`holdfast approval show ${id}`}
              api={{ method: 'GET', path: `/api/v1/approvals/${id}` }}
            />
            <VoteButtons request={request} />
          </>
        )
      }
    >
      <Await query={query}>{(found) => <Found request={found} />}</Await>
    </Page>
  );
}

function Found({ request }: { request: Approval }) {
  const me = useQuery(access.me()).data;
  const pending = request.state === 'pending';
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
      <div className="min-w-0 space-y-4">
        {pending && isMine(request, me) && (
          <p className="flex items-center gap-2.5 rounded-lg border border-line bg-warn-soft p-3 font-medium text-warn">
            <UserRoundX aria-hidden className="size-5 shrink-0" />
            {text.mine}
          </p>
        )}
        <Card>
          <CardBody className="space-y-4 pt-4">
            <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
              <ApprovalPill state={request.state} />
              <Consents request={request} />
              {pending && (
                <span className="text-ink-2">
                  {text.expires} <Time at={request.expiresAt} />
                </span>
              )}
            </div>
            <div>
              <h2 className="text-sm text-ink-3">{text.detail.reason}</h2>
              <p className="text-lg">{request.reason ?? text.detail.noReason}</p>
            </div>
            <div>
              <h2 className="text-sm text-ink-3">{text.detail.because}</h2>
              <ul className="list-disc pl-5">
                {request.because.map((because) => (
                  <li key={because} className="break-words">
                    {because}
                  </li>
                ))}
              </ul>
            </div>
          </CardBody>
        </Card>
        <Effects request={request} />
        <Card>
          <CardHeader title={text.detail.diff} about={text.detail.diffAbout} />
          <CardBody>
            <Diff request={request} />
          </CardBody>
        </Card>
        {request.outcome != null && (
          <Card>
            <CardHeader title={text.detail.outcome} />
            <CardBody>
              <CodeBlock
                label={text.detail.outcome}
                text={JSON.stringify(request.outcome, null, 2)}
              />
            </CardBody>
          </Card>
        )}
      </div>
      <div className="min-w-0 space-y-4">
        <Card className="p-4">
          <RequestFacts request={request} />
        </Card>
        <Card>
          <CardHeader title={text.detail.blast} />
          <CardBody>
            <BlastRadius clusters={request.clusters} />
          </CardBody>
        </Card>
        <Card>
          <CardHeader title={text.detail.said} />
          <CardBody>
            <Votes votes={request.votes} />
          </CardBody>
        </Card>
        {pending && (
          <Card>
            <CardHeader title={text.detail.who} about={text.detail.whoAbout} />
            <CardBody>
              <WhoMay request={request} />
            </CardBody>
          </Card>
        )}
      </div>
    </div>
  );
}

function RequestFacts({ request }: { request: Approval }) {
  const { facts } = text.detail;
  return (
    <Facts
      facts={[
        { term: facts.subject, value: <Subject subject={request.subject} />, wide: true },
        { term: facts.requestedBy, value: whoOf(request.requestedBy) },
        { term: facts.created, value: <Time at={request.createdAt} /> },
        ...(request.decidedAt == null
          ? []
          : [{ term: facts.decided, value: <Time at={request.decidedAt} /> }]),
      ]}
    />
  );
}

function BlastRadius({ clusters }: { clusters: Approval['clusters'] }) {
  if (clusters == null) return <p>{text.detail.blastEverything}</p>;
  return (
    <>
      <p className="num mb-1 font-medium">{text.detail.blastClusters(clusters.length)}</p>
      <ul className="scroll-quiet flex max-h-48 flex-wrap gap-x-4 gap-y-1 overflow-y-auto">
        {clusters.map((name) => (
          <li key={name}>
            <ClusterLink name={name} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Votes({ votes }: { votes: Approval['votes'] }) {
  if (votes.length === 0) return <p className="text-ink-2">{text.detail.nothingSaid}</p>;
  return (
    <ul className="space-y-2">
      {votes.map(({ by, at, vote, note }) => (
        <li key={by}>
          <span className="font-medium">{whoOf(by)}</span> · {text.votes[vote] ?? vote}{' '}
          <Time at={at} className="text-sm text-ink-2" />
          {note != null && <p className="text-ink-2">“{note}”</p>}
        </li>
      ))}
    </ul>
  );
}
