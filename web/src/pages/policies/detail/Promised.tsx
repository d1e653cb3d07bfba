/** The promise of a policy: contract, what speaks against it, how it is kept, what is next. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck } from 'lucide-react';
import type { ReactNode } from 'react';
import { useMay } from '../../../acts/useMay';
import { policies, type Policy, type PolicySpec } from '../../../api/queries/policies';
import { cronWords } from '../../../format/cron';
import { Badge } from '../../../ui/Badge';
import { Card, CardBody, CardHeader } from '../../../ui/Card';
import { Facts } from '../../../ui/Facts';
import { ErrorState, Skeleton } from '../../../ui/States';
import { Time } from '../../../ui/Values';
import { words } from '../../../words';
import { Contract } from '../Contract';
import { contractOf, keepsOf, selectorOf, specOf } from '../facts';
import { LintList } from '../Lint';
import { Runs } from '../Runs';

const text = words.policies.detail;
const { facts } = words.policies;

export function Promised({ policy }: { policy: Policy }) {
  const { apiVersion, kind, metadata, status } = policy;
  const spec = specOf(policy);
  // The dry run of what is in force: it changes nothing, and tells what speaks against it.
  const may = useMay('policies:write');
  const dry = useQuery(policies.preview({ apiVersion, kind, metadata, spec }, may === true));
  const lint = dry.data?.policies.flatMap((each) => each.lint);
  return (
    <div className="space-y-4">
      <Contract title={text.contract} text={contractOf(policy) ?? text.noContract} />
      <div className="grid gap-4 xl:grid-cols-2">
        <Card>
          <CardHeader title={text.against} />
          <CardBody>
            {may === false ? (
              <p className="text-ink-2">{text.dryNotYours}</p>
            ) : dry.error !== null ? (
              <div className="space-y-2">
                <p className="text-ink-2">{text.lintUnread}</p>
                <ErrorState compact error={dry.error} retry={() => void dry.refetch()} />
              </div>
            ) : lint === undefined ? (
              <Skeleton className="w-2/3" />
            ) : lint.length === 0 ? (
              <p className="flex items-center gap-1.5">
                <CircleCheck aria-hidden className="size-4 text-ok" />
                {text.nothingAgainst}
              </p>
            ) : (
              <LintList lint={lint} />
            )}
          </CardBody>
        </Card>
        <Card>
          <CardHeader title={text.next} />
          <CardBody>
            {may === false ? (
              <p className="text-ink-2">{text.dryNotYours}</p>
            ) : dry.data === undefined ? (
              dry.error === null && <Skeleton className="h-16 w-full" />
            ) : (
              <Runs runs={dry.data.nextRuns} />
            )}
          </CardBody>
        </Card>
        <Card className="xl:col-span-2">
          <CardHeader title={text.settings} />
          <CardBody>
            <Facts
              className="lg:grid-cols-3 2xl:grid-cols-4"
              facts={[
                ...settingsOf(spec),
                { name: text.changed, value: <Time at={status.updatedAt} /> },
                {
                  name: text.revision,
                  value: (
                    <Link
                      to="/policies/$policy"
                      params={{ policy: metadata.name }}
                      search={{ tab: 'versions' }}
                      className="num rounded-sm underline decoration-line-strong underline-offset-4"
                    >
                      {status.revision}
                    </Link>
                  ),
                },
              ]}
            />
          </CardBody>
        </Card>
      </div>
    </div>
  );
}

function settingsOf(spec: PolicySpec): { name: string; value: ReactNode }[] {
  const { objectives, wal, schedules, copies, drills } = spec;
  const labels = selectorOf(spec);
  return [
    {
      name: words.policies.selects,
      value:
        labels.length === 0 ? (
          words.policies.everyCluster
        ) : (
          <span className="flex flex-wrap gap-1">
            {labels.map((label) => (
              <Link key={label} to="/clusters" search={{ label }} className="rounded-sm">
                <Badge>{label}</Badge>
              </Link>
            ))}
          </span>
        ),
    },
    { name: facts.rpo, value: objectives?.rpo ?? facts.noRpo },
    { name: facts.rto, value: objectives?.rto ?? facts.noRto },
    { name: facts.window, value: objectives?.window ?? facts.noWindow },
    { name: facts.repository, value: <Place name={spec.repository} /> },
    {
      name: facts.copies,
      value:
        (copies ?? []).length === 0
          ? words.common.none
          : copies?.map(({ repository, within }) => (
              <span key={repository} className="block">
                <Place name={repository} />
                {within !== null && within !== undefined && (
                  <span className="text-ink-3"> ≤ {within}</span>
                )}
              </span>
            )),
    },
    {
      name: facts.wal,
      value: [wal?.mode ?? facts.walDefault, wal?.flushEvery && facts.flush(wal.flushEvery)]
        .filter(Boolean)
        .join(', '),
    },
    {
      name: facts.schedules,
      value:
        (schedules ?? []).length === 0
          ? words.common.none
          : schedules?.map(({ name, kind, cron, every, timezone }) => (
              <span key={name} className="block">
                <span className="font-medium">{name}</span>{' '}
                <span className="text-ink-2">
                  {words.policies.form.kinds[kind]}, <Rhythm {...{ cron, every, timezone }} />
                </span>
              </span>
            )),
    },
    { name: facts.keeps, value: keepsOf(spec) },
    {
      name: text.drills,
      value:
        (drills ?? []).length === 0 ? (
          <span className="text-warn">{text.noDrills}</span>
        ) : (
          drills?.map(({ name, cron, every, timezone, at }, index) => (
            <span key={index} className="block">
              {name ?? words.policies.form.drill(index + 1)}
              {', '}
              <Rhythm {...{ cron, every, timezone }} />
              {at !== null && at !== undefined && <span className="text-ink-2">, {at}</span>}
            </span>
          ))
        ),
    },
  ];
}

type Maybe = string | null | undefined;

/** When it is due, in words where there are some; the line itself is on hover. */
function Rhythm({ cron, every, timezone }: { cron?: Maybe; every?: Maybe; timezone?: Maybe }) {
  if (cron == null) return facts.every(every ?? '');
  const told = cronWords(cron);
  return (
    <span title={cron}>
      {told ?? <code className="text-xs">{cron}</code>} {timezone ?? facts.utc}
    </span>
  );
}

function Place({ name }: { name: string }) {
  return (
    <Link
      to="/repositories/$repository"
      params={{ repository: name }}
      className="rounded-sm underline decoration-line-strong underline-offset-4 hover:decoration-ink"
    >
      {name}
    </Link>
  );
}
