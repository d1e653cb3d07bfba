/** Every policy: what it promises, in the control plane's own sentence, and to whom. */
import { Link, getRouteApi } from '@tanstack/react-router';
import { FilterX, Plus, Search, ShieldCheck } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { policies, type Policy } from '../../api/queries/policies';
import { Page } from '../../frame/Page';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { TextField } from '../../ui/Field';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { clustersBy, contractOf, keepsOf, selectorOf, specOf } from './facts';

const text = words.policies;
const route = getRouteApi('/frame/policies');

export function PoliciesPage() {
  const { q } = route.useSearch();
  const navigate = route.useNavigate();
  const declared = useWholeList(policies.list());
  const known = useWholeList(clusters.list());
  const held = useMemo(() => clustersBy(known.items), [known.items]);
  const sought = q?.trim().toLowerCase() ?? '';
  const shown = useMemo(
    () => declared.items.filter((policy) => wordsOf(policy).includes(sought)),
    [declared.items, sought],
  );
  const actions = (
    <Button asChild variant="primary">
      <Link to="/new/policy">
        <Plus aria-hidden className="size-4" />
        {text.new}
      </Link>
    </Button>
  );
  return (
    <Page title={text.title} about={text.about} actions={actions}>
      {declared.error !== null && declared.items.length === 0 ? (
        <ErrorState error={declared.error} retry={declared.retry} />
      ) : (
        <>
          <div role="search" aria-label={text.filters} className="relative mb-4 max-w-md">
            <Search
              aria-hidden
              className="pointer-events-none absolute top-2.5 left-2.5 z-10 size-4 text-ink-3"
            />
            <TextField
              label={text.find}
              labelHidden
              type="search"
              placeholder={text.find}
              value={q ?? ''}
              style={{ paddingLeft: '2.125rem' }}
              onChange={({ target: { value } }) =>
                void navigate({ search: value === '' ? {} : { q: value }, replace: true })
              }
            />
          </div>
          {declared.pending && <Waiting />}
          <ul className="grid gap-4 xl:grid-cols-2">
            {shown.map((policy) => (
              <li key={policy.metadata.name} className="flex">
                <PolicyCard
                  policy={policy}
                  clusters={
                    known.complete ? (held.get(policy.metadata.name)?.length ?? 0) : undefined
                  }
                />
              </li>
            ))}
          </ul>
          {declared.complete && declared.items.length === 0 && (
            <EmptyState icon={ShieldCheck} title={text.empty.title} actions={actions}>
              <p>{text.empty.about}</p>
            </EmptyState>
          )}
          {declared.items.length > 0 && shown.length === 0 && (
            <EmptyState
              icon={FilterX}
              title={text.noMatch.title}
              actions={
                <Button onClick={() => void navigate({ search: {}, replace: true })}>
                  {words.common.clearFilters}
                </Button>
              }
            >
              <p>{text.noMatch.about}</p>
            </EmptyState>
          )}
        </>
      )}
    </Page>
  );
}

function PolicyCard({ policy, clusters }: { policy: Policy; clusters: number | undefined }) {
  const spec = specOf(policy);
  const { name } = policy.metadata;
  const selector = selectorOf(spec);
  const params = { policy: name };
  const walMode = spec.wal?.mode ?? text.facts.walDefault;
  const facts = [
    [text.facts.short.rpo, spec.objectives?.rpo ?? text.facts.noRpo],
    [text.facts.short.rto, spec.objectives?.rto ?? text.facts.noRto],
    [
      text.facts.short.window,
      spec.objectives?.window ?? spec.retention?.pitr ?? text.facts.noWindow,
    ],
    [text.facts.short.wal, walMode],
  ] as const;
  return (
    <Card className="relative flex min-w-0 flex-1 flex-col p-4 transition-colors hover:border-line-strong">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="text-lg font-semibold">
          <Link
            to="/policies/$policy"
            params={params}
            className="rounded-sm after:absolute after:inset-0 after:rounded-lg hover:underline"
          >
            {name}
          </Link>
        </h2>
        {(spec.priority ?? 0) !== 0 && <Badge>{text.priority(spec.priority ?? 0)}</Badge>}
        <span className="flex-1" />
        {clusters === undefined ? (
          <Skeleton className="w-16" />
        ) : (
          <Link
            to="/policies/$policy"
            params={params}
            search={{ tab: 'clusters' }}
            className="num relative z-10 rounded-sm font-medium underline decoration-line-strong underline-offset-4 hover:decoration-ink"
          >
            {text.clusters(clusters)}
          </Link>
        )}
      </div>
      <p className="mt-1.5 text-pretty text-ink-2">
        {contractOf(policy) ?? text.detail.noContract}
      </p>
      <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-2 sm:grid-cols-4">
        {facts.map(([fact, value]) => (
          <div key={fact} className="min-w-0">
            <dt className="truncate text-xs text-ink-3">{fact}</dt>
            <dd className="num font-medium break-words">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-3 flex flex-wrap items-center gap-1.5 border-t border-line pt-3 text-sm text-ink-2">
        {selector.length === 0 ? (
          <Badge tone="info">{text.everyCluster}</Badge>
        ) : (
          selector.map((label) => (
            <Link
              key={label}
              to="/clusters"
              search={{ label }}
              className="relative z-10 rounded-sm hover:brightness-95"
            >
              <Badge>{label}</Badge>
            </Link>
          ))
        )}
        <span className="ml-auto">
          {text.facts.keepsWhat(keepsOf(spec))} {text.facts.in}{' '}
          {[spec.repository, ...(spec.copies ?? []).map(({ repository }) => repository)].map(
            (repository, index) => (
              <span key={repository}>
                {index > 0 && text.facts.and}
                <Link
                  to="/repositories/$repository"
                  params={{ repository }}
                  className="relative z-10 rounded-sm font-medium hover:underline"
                >
                  {repository}
                </Link>
              </span>
            ),
          )}
        </span>
      </div>
    </Card>
  );
}

function wordsOf(policy: Policy): string {
  const spec = specOf(policy);
  return [policy.metadata.name, spec.repository, ...selectorOf(spec)].join(' ').toLowerCase();
}

function Waiting() {
  return (
    <div aria-hidden className="grid gap-4 xl:grid-cols-2">
      {Array.from({ length: 4 }, (_, index) => (
        <Card key={index} className="space-y-3 p-4">
          <Skeleton className="h-5 w-32" />
          <Skeleton className="w-full" />
          <Skeleton className="w-2/3" />
        </Card>
      ))}
    </div>
  );
}
