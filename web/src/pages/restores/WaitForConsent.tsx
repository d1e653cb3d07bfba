/** The consent that a restore needs: how much there is of it, and who may give it. */
import { useQuery } from '@tanstack/react-query';
import { approvals } from '../../api/queries/approvals';
import type { Restore } from '../../api/queries/restores';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Consents } from '../approvals/Consents';
import { VoteButtons } from '../approvals/VoteButtons';
import { WhoMay } from '../approvals/WhoMay';
import { ApprovalLink } from '../work/links';
import { ApprovalPill } from '../work/pills';

const text = words.restores.detail.approval;

export function WaitForConsent({ restore }: { restore: Restore }) {
  const query = useQuery(approvals.detail(restore.approval ?? ''));
  const request = query.data;
  return (
    <Card>
      <CardHeader
        title={text.title}
        about={text.about}
        actions={<ApprovalLink id={restore.approval ?? ''}>{text.see}</ApprovalLink>}
      />
      <CardBody className="space-y-3">
        {request === undefined ? (
          query.error === null ? (
            <Skeleton className="w-48" />
          ) : (
            <ErrorState compact error={query.error} />
          )
        ) : (
          <>
            <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
              <ApprovalPill state={request.state} />
              <Consents request={request} />
              {request.state === 'pending' && (
                <span className="text-ink-2">
                  {words.approvals.expires} <Time at={request.expiresAt} />
                </span>
              )}
              <span className="flex-1" />
              <VoteButtons request={request} />
            </div>
            <ul className="text-ink-2">
              {request.because.map((because) => (
                <li key={because} className="break-words">
                  {because}
                </li>
              ))}
            </ul>
            {request.state === 'pending' && (
              <div>
                <h3 className="mb-1.5 text-sm font-medium">{text.who}</h3>
                <WhoMay request={request} />
              </div>
            )}
          </>
        )}
      </CardBody>
    </Card>
  );
}
