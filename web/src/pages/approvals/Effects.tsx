/** What the act would mean, where the API can say it: what is lost, or the plan. */
import { useQuery } from '@tanstack/react-query';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Approval } from '../../api/queries/approvals';
import { backups } from '../../api/queries/backups';
import { restores } from '../../api/queries/restores';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { Consequences } from '../catalog/Consequences';
import { PlanView } from '../wizard/PlanView';

const text = words.approvals.detail;

export function Effects({ request }: { request: Approval }) {
  const [plural, id = ''] = request.subject.split('/');
  if (request.state !== 'pending') return null;
  if (plural === 'backups' && request.action === 'condemn_backups') return <Lost backup={id} />;
  if (plural === 'restores') return <Planned restore={id} />;
  return null;
}

function Lost({ backup }: { backup: string }) {
  const query = useQuery(backups.dependents(backup));
  return (
    <Known query={query}>
      {(known) => (
        <Card>
          <CardHeader title={text.effects} />
          <CardBody>
            <Consequences known={known} />
          </CardBody>
        </Card>
      )}
    </Known>
  );
}

function Planned({ restore }: { restore: string }) {
  const query = useQuery(restores.detail(restore));
  return (
    <Known query={query}>
      {(known) =>
        known.plan == null ? null : (
          <Card>
            <CardHeader title={text.effects} about={text.effectsRestore(known.dir, known.agent)} />
            <CardBody>
              <PlanView plan={known.plan} predicted={known} />
            </CardBody>
          </Card>
        )
      }
    </Known>
  );
}

function Known<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  return query.error === null ? (
    <Skeleton className="h-24" />
  ) : (
    <ErrorState compact error={query.error} />
  );
}
