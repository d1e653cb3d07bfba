/** What a restore of a dump gave, in words; the whole result is beside it. */
import { DatabaseBackup } from 'lucide-react';
import type { Job } from '../../api/queries/jobs';
import { formatCount } from '../../format/size';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Bytes, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { restoredOf } from '../dumps/draft';
import { Facts } from '../work/Facts';
import { BackupLink, ClusterLink } from '../work/links';

const text = words.dumps.done;

export function RestoredCard({ job }: { job: Job }) {
  const done = restoredOf(job.result);
  if (done === undefined) return null;
  const { into, database, backup, cluster, consistentAt, objects, archiveBytes } = done;
  return (
    <Card>
      <CardHeader
        title={
          <span className="flex items-center gap-2">
            <DatabaseBackup aria-hidden className="size-4 text-ok" />
            {text.title}
          </span>
        }
        about={text.about}
      />
      <CardBody>
        <Facts
          facts={[
            { term: text.into, value: <span className="font-medium">{into}</span> },
            {
              term: text.cluster,
              value: cluster === undefined ? <None /> : <ClusterLink name={cluster} />,
            },
            { term: text.database, value: database },
            { term: text.dump, value: <BackupLink id={backup} /> },
            { term: text.consistent, value: <Time absolute at={consistentAt} /> },
            {
              term: text.objects,
              value: objects === undefined ? <None /> : formatCount(objects),
            },
            { term: text.bytes, value: <Bytes bytes={archiveBytes} /> },
          ]}
        />
      </CardBody>
    </Card>
  );
}
