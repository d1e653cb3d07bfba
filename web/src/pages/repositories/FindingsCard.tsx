/** In what a repository and the catalog differ. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck } from 'lucide-react';
import { repositories, type Finding } from '../../api/queries/repositories';
import { Badge, type Tone } from '../../ui/Badge';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { ErrorState, Skeleton } from '../../ui/States';
import { Prose } from '../../ui/Prose';
import { SmallTable } from '../../ui/SmallTable';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { FoundPill } from './FoundPill';

const text = words.repositories.detail;
const TONES: Record<string, Tone> = {
  missing: 'bad',
  damaged: 'bad',
  different: 'warn',
  unknown: 'unknown',
};
const kinds: Record<string, string> = text.kinds;

export function FindingsCard({ name }: { name: string }) {
  const query = useQuery(repositories.findings(name));
  const { data } = query;
  return (
    <Card>
      <CardHeader
        title={text.found}
        about={text.foundAbout}
        actions={data !== undefined && <FoundPill findings={data} />}
      />
      {query.error !== null && (
        <CardBody>
          <ErrorState compact error={query.error} retry={() => void query.refetch()} />
        </CardBody>
      )}
      {query.isPending && (
        <CardBody>
          <Skeleton className="w-1/2" />
        </CardBody>
      )}
      {data !== undefined && (
        <>
          <CardBody className="space-y-3">
            <p className="flex flex-wrap gap-x-4 gap-y-1 text-ink-2">
              <span>
                {words.repositories.columns.scanned}: <Time at={data.scannedAt} />
              </span>
              {data.scannedAt != null && <span className="num">{text.scanned(data.backups)}</span>}
              {data.adopted > 0 && <span className="num">{text.adopted(data.adopted)}</span>}
            </p>
            <LastError error={data.error} />
            {data.items.length === 0 && data.scannedAt !== null && data.error === null && (
              <p className="flex items-center gap-1.5">
                <CircleCheck aria-hidden className="size-4 text-ok" />
                {text.clean}
              </p>
            )}
          </CardBody>
          {data.items.length > 0 && (
            <SmallTable<Finding>
              label={text.differs}
              rows={data.items}
              rowId={({ kind, subject }) => `${kind} ${subject}`}
              className="border-t border-line"
              columns={[
                {
                  name: text.columns.kind,
                  cell: ({ kind }) => (
                    <Badge tone={TONES[kind] ?? 'idle'}>{kinds[kind] ?? kind}</Badge>
                  ),
                },
                {
                  name: text.columns.subject,
                  cell: ({ subject, cluster }) => (
                    <span>
                      <code className="text-xs break-all">{subject}</code>
                      {cluster !== null && cluster !== undefined && (
                        <Link
                          to="/clusters/$cluster"
                          params={{ cluster }}
                          className="block text-sm text-ink-2 hover:underline"
                        >
                          {cluster}
                        </Link>
                      )}
                    </span>
                  ),
                },
                { name: text.columns.detail, from: 'md', cell: ({ detail }) => detail },
                {
                  name: text.columns.seen,
                  cell: ({ firstSeen }) => <Time at={firstSeen} />,
                },
              ]}
            />
          )}
        </>
      )}
    </Card>
  );
}

/** The API gives it as any failure: code, message, hint. */
function LastError({ error }: { error: unknown }) {
  if (typeof error !== 'object' || error === null) return null;
  const { code, message, hint } = error as Record<string, unknown>;
  return (
    <div className="rounded-lg bg-warn-soft p-3">
      <p className="font-semibold text-warn">{text.lastError}</p>
      <p>{message === undefined ? <None /> : String(message)}</p>
      {hint !== undefined && (
        <p className="text-ink-2">
          <Prose text={String(hint)} />
        </p>
      )}
      {typeof code === 'string' && (
        <a
          href={`/errors/${code}`}
          target="_blank"
          rel="noreferrer"
          className="text-sm font-medium underline underline-offset-2"
        >
          {words.errors.explain} <code className="text-xs">{code}</code>
        </a>
      )}
    </div>
  );
}
