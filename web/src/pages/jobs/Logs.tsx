/** What the last attempt logged; while it runs, as it comes. */
import { useQuery } from '@tanstack/react-query';
import { jobs } from '../../api/queries/jobs';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';

const text = words.jobs;

export function Logs({ id, live }: { id: string; live: boolean }) {
  const query = useQuery(jobs.logs(id, live));
  const lines = query.data?.items ?? [];
  return (
    <Card>
      <CardHeader title={text.logs} about={text.logsAbout} />
      <CardBody>
        {query.isPending && <Skeleton className="w-2/3" />}
        {query.error !== null && lines.length === 0 && <ErrorState compact error={query.error} />}
        {query.data !== undefined && lines.length === 0 && (
          <p className="text-ink-2">{text.noLogs}</p>
        )}
        {lines.length > 0 && (
          <CodeBlock
            label={text.logs}
            text={lines.map(({ line }) => line).join('\n')}
            className="max-h-[28rem] overflow-y-auto"
          />
        )}
      </CardBody>
    </Card>
  );
}
