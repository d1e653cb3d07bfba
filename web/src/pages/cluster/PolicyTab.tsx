/** The policy in force, each field with where its value comes from. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ShieldOff } from 'lucide-react';
import { useState } from 'react';
import { clusterParts, type PolicyInForce } from '../../api/queries/cluster-parts';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { Badge, StatusPill, type Tone } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { Switch } from '../../ui/Check';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { None } from '../../ui/Values';
import { words } from '../../words';

const text = words.cluster.policy;
const LINK = 'font-medium underline decoration-line-strong underline-offset-4 hover:decoration-ink';
type Field = PolicyInForce['fields'][number];

const columns: PlainColumn<Field>[] = [
  {
    id: 'field',
    title: text.field,
    cell: ({ field }) => <code className="text-xs">{field}</code>,
  },
  {
    id: 'value',
    title: text.value,
    wrap: true,
    cell: ({ value }) =>
      value === null ? <None /> : <code className="text-xs break-words">{tell(value)}</code>,
  },
  {
    id: 'origin',
    title: text.origin,
    cell: ({ origin }) => (
      <Badge tone={origin === 'policy' ? 'info' : 'idle'}>{text.origins[origin]}</Badge>
    ),
  },
  {
    id: 'meaning',
    title: text.meaning,
    from: 'lg',
    wrap: true,
    cell: ({ meaning }) => <span className="text-sm text-ink-2">{meaning}</span>,
  },
];

/** As YAML would have it, on a line. */
export function tell(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(tell).join(', ');
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([key, each]) => `${key}: ${tell(each)}`);
    return `{${parts.join(', ')}}`;
  }
  return JSON.stringify(value) ?? '';
}

const SEVERITY: Record<string, Tone> = { info: 'info', warning: 'warn', critical: 'bad' };

export function PolicyTab({ cluster }: { cluster: string }) {
  const query = useQuery(clusterParts.policy(cluster));
  const [written, setWritten] = useState(false);
  const said = query.data;
  if (said === undefined) {
    return query.error === null ? (
      <Skeleton className="h-64 w-full" />
    ) : (
      <ErrorState error={query.error} retry={() => void query.refetch()} />
    );
  }
  if (said.policy == null) return <NoPolicy />;
  const fields = said.fields.filter(({ origin }) => !written || origin !== 'default');
  return (
    <Card>
      <Promise said={said} policy={said.policy} />
      <div className="flex justify-end border-b border-line px-4 py-2">
        <Switch label={text.onlyWritten} checked={written} onChange={setWritten} />
      </div>
      <PlainTable label={text.label} columns={columns} rows={fields} rowId={({ field }) => field} />
    </Card>
  );
}

function Promise({ said, policy }: { said: PolicyInForce; policy: string }) {
  const selector = Object.entries(said.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return (
    <div className="space-y-3 border-b border-line px-4 py-3">
      <p className="flex flex-wrap items-center gap-2">
        <Link to="/policies/$policy" params={{ policy }} className={LINK}>
          {policy}
        </Link>
        <span className="text-ink-2">{text.because}</span>
        {selector.length === 0 ? (
          <Badge>{text.everything}</Badge>
        ) : (
          selector.map((each) => (
            <Link key={each} to="/clusters" search={{ label: each }} className="rounded-sm">
              <Badge>{each}</Badge>
            </Link>
          ))
        )}
      </p>
      {said.contract != null && (
        <p className="max-w-prose">
          <span className="block text-xs text-ink-3">{text.contract}</span>
          {said.contract}
        </p>
      )}
      {said.lint.length > 0 && (
        <ul aria-label={text.lint} className="space-y-2">
          {said.lint.map(({ code, field, message, hint, severity }) => (
            <li key={`${code}${field}`} className="flex flex-wrap items-start gap-x-2 gap-y-1">
              <StatusPill tone={SEVERITY[severity] ?? 'warn'}>
                {code.replaceAll('_', ' ')}
              </StatusPill>
              <span className="min-w-0 flex-1 basis-64">
                {message} <span className="text-ink-2">{hint}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {said.passedOver.length > 0 && (
        <p className="text-sm text-ink-2">
          {text.yields}:{' '}
          {said.passedOver.map(({ policy: other, priority }, index) => (
            <span key={other}>
              {index > 0 && ', '}
              <Link to="/policies/$policy" params={{ policy: other }} className={LINK}>
                {other}
              </Link>
              {` (${priority})`}
            </span>
          ))}
        </p>
      )}
    </div>
  );
}

function NoPolicy() {
  return (
    <Card>
      <EmptyState
        icon={ShieldOff}
        title={text.none}
        actions={
          <Button asChild>
            <Link to="/policies">{text.all}</Link>
          </Button>
        }
      >
        <p>{text.noneAbout}</p>
      </EmptyState>
    </Card>
  );
}
