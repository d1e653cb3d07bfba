/** How anybody verifies a report, and the keys that sign. */
import { Download } from 'lucide-react';
import { saveText } from '../../acts/download';
import { useWholeList } from '../../api/pages';
import { reports } from '../../api/queries/reports';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';

const text = words.reports.verify;
const VERIFY = 'holdfast report verify report.pdf \\\n  --ca ca.pem';
const PEM = 'application/x-pem-file';

export function Verify() {
  const keys = useWholeList(reports.keys());
  const ca = keys.items[0]?.caCertificate;
  return (
    <Card>
      <CardHeader title={text.title} about={text.about} />
      <CardBody className="space-y-4">
        <CodeBlock label={text.command} text={VERIFY} />
        {ca !== undefined && (
          <Button size="sm" icon={Download} onClick={() => saveText('ca.pem', ca, PEM)}>
            {text.download(text.ca)}
          </Button>
        )}
        <div>
          <h3 className="text-sm font-semibold">{text.keys}</h3>
          <p className="text-sm text-ink-2">{text.keysAbout}</p>
        </div>
        {keys.error !== null && <ErrorState compact error={keys.error} retry={keys.retry} />}
        {keys.pending && <Skeleton className="w-2/3" />}
        {keys.complete && keys.items.length === 0 && <p className="text-ink-2">{text.noKeys}</p>}
        <ul className="divide-y divide-line">
          {keys.items.map(({ id, certificate, createdAt }) => (
            <li key={id} className="flex items-center gap-x-3 py-2">
              <code title={id} className="min-w-0 truncate text-xs">
                {id}
              </code>
              <span className="shrink-0 text-sm text-ink-2">
                {text.since} <Time at={createdAt} />
              </span>
              <Button
                size="sm"
                variant="ghost"
                icon={Download}
                className="ml-auto"
                onClick={() => saveText(`report-key-${id}.pem`, certificate, PEM)}
              >
                {text.certificate}
              </Button>
            </li>
          ))}
        </ul>
      </CardBody>
    </Card>
  );
}
