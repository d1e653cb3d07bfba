/** One request at a glance: who asks for what and why, and how long there is. */
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { access } from '../../api/queries/access';
import type { Approval } from '../../api/queries/approvals';
import { Card } from '../../ui/Card';
import { Time } from '../../ui/Values';
import { Subject } from '../../subjects/Subject';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { actionWords, isMine } from './about';
import { Consents } from './Consents';
import { VoteButtons } from './VoteButtons';

const text = words.approvals;

export function PendingCard({ request }: { request: Approval }) {
  const me = useQuery(access.me()).data;
  const mine = isMine(request, me);
  return (
    <Card className="flex h-full flex-col gap-3 p-4">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-1">
        <div className="min-w-0 flex-1">
          <h2 className="text-lg font-semibold">
            <Link
              to="/approvals/$approval"
              params={{ approval: request.id }}
              className="rounded-sm underline-offset-4 hover:underline"
            >
              {actionWords(request.action)}
            </Link>
          </h2>
          <p className="text-ink-2">
            <Subject subject={request.subject} />
            {request.clusters != null && ` ${text.of(request.clusters)}`}
          </p>
        </div>
        <Consents request={request} />
      </div>
      <p>
        <span className="font-medium">
          {mine ? text.youAsk : text.asks(whoOf(request.requestedBy))}
        </span>{' '}
        <Time at={request.createdAt} className="text-sm text-ink-2" />
        {request.reason != null && <span className="block text-ink-2">“{request.reason}”</span>}
      </p>
      <ul className="space-y-1 text-sm text-ink-2">
        {request.because.map((because) => (
          <li key={because} className="break-words">
            {because}
          </li>
        ))}
      </ul>
      <span className="flex-1" />
      {mine && <p className="text-sm font-medium text-warn">{text.mine}</p>}
      <div className="flex flex-wrap items-center gap-2 border-t border-line pt-3">
        <span className="text-sm text-ink-2">
          {text.expires} <Time at={request.expiresAt} />
        </span>
        <span className="flex-1" />
        <VoteButtons request={request} />
      </div>
    </Card>
  );
}
