/** What one drill showed. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { drills, type Drill } from '../../api/queries/drills';
import { effective } from '../../api/queries/effective';
import { formatCount } from '../../format/size';
import { formatDuration } from '../../format/time';
import { Page } from '../../frame/Page';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { Bytes, Duration, Lsn, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { Await } from '../work/Await';
import { Checks } from '../work/Checks';
import { Evidence } from '../work/Evidence';
import { Facts, Figure } from '../work/Facts';
import { FailureNote } from '../work/FailureNote';
import { AgentLink, BackupLink, ClusterLink, JobLink, RepositoryLink } from '../work/links';
import { Phases } from '../work/Phases';
import { toldPhases } from '../work/phases';
import { DrillPill } from '../work/pills';
import { version } from '../work/version';
import { RunDrill } from './RunDrill';
import { rtoOf } from './trend';

const text = words.drills.detail;
const route = getRouteApi('/frame/drills/$drill');

export function DrillPage() {
  const { drill: id } = route.useParams();
  const query = useQuery(drills.detail(id));
  const drill = query.data;
  return (
    <Page
      title={drill === undefined ? id : text.title(drill.cluster)}
      about={<code className="text-sm break-all">{id}</code>}
      actions={
        drill !== undefined && (
          <>
            <Equivalent
              cli={`holdfast drill show ${id}`}
              api={{ method: 'GET', path: `/api/v1/drills/${id}` }}
            />
            <RunDrill cluster={drill.cluster} label={words.drills.runNow} />
          </>
        )
      }
    >
      <Await query={query}>{(found) => <Found drill={found} />}</Await>
    </Page>
  );
}

function Found({ drill }: { drill: Drill }) {
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
      <div className="min-w-0 space-y-4">
        <Card>
          <CardBody className="space-y-4 pt-4">
            <DrillPill verdict={drill.verdict} />
            <Achieved drill={drill} />
            {drill.cause != null && <FailureNote failure={drill.cause} />}
            <Phases phases={toldPhases(drill.phases)} />
          </CardBody>
        </Card>
        <Card>
          <CardHeader title={text.checks} />
          <CardBody>
            <Checks label={text.checks} checks={drill.checks.map(lineOf)} />
          </CardBody>
        </Card>
        {Object.keys(drill.rowCounts ?? {}).length > 0 && (
          <RowCounts counts={drill.rowCounts ?? {}} />
        )}
        <Evidence name={drill.id} record={drill} />
      </div>
      <Card className="p-4">
        <DrillFacts drill={drill} />
      </Card>
    </div>
  );
}

function Achieved({ drill }: { drill: Drill }) {
  const policy = useQuery(effective.policy(drill.cluster));
  const target = rtoOf(policy.data?.fields);
  const rto = drill.achievedRtoSeconds ?? undefined;
  const late = target !== undefined && rto !== undefined && rto > target;
  return (
    <div className="grid grid-cols-2 gap-x-6 gap-y-4 sm:grid-cols-4">
      <Figure
        label={text.rto}
        tone={late ? 'bad' : undefined}
        note={target === undefined ? undefined : text.rtoTarget(formatDuration(target))}
      >
        <Duration seconds={rto} />
      </Figure>
      <Figure label={text.rpo} note={text.rpoNote}>
        <Duration seconds={drill.achievedRpoSeconds} />
      </Figure>
      <Figure label={text.restored}>
        <Bytes bytes={drill.databaseBytes} />
      </Figure>
      <Figure label={text.waited}>
        <Duration seconds={drill.queuedSeconds} />
      </Figure>
    </div>
  );
}

function lineOf(check: Drill['checks'][number]) {
  const { name, passed, expect, seen, why, millis, database } = check;
  const compared = expect != null && seen != null ? text.expected(expect, seen) : why;
  return {
    name: database == null ? name : `${name} · ${database}`,
    passed,
    seen: passed ? compared : why,
    took: formatDuration(millis / 1000),
  };
}

function RowCounts({ counts }: { counts: Record<string, number> }) {
  return (
    <Card>
      <CardHeader title={text.rows} />
      <CardBody className="scroll-quiet max-h-72 overflow-y-auto">
        <dl className="num grid grid-cols-[1fr_auto] gap-x-6 gap-y-1">
          {Object.entries(counts).map(([table, rows]) => (
            <div key={table} className="contents">
              <dt className="truncate">{table}</dt>
              <dd className="text-right">{formatCount(rows)}</dd>
            </div>
          ))}
        </dl>
      </CardBody>
    </Card>
  );
}

function DrillFacts({ drill }: { drill: Drill }) {
  const facts = text.facts;
  return (
    <Facts
      facts={[
        { term: facts.cluster, value: <ClusterLink name={drill.cluster} /> },
        { term: facts.job, value: <JobLink id={drill.job} /> },
        { term: facts.backup, value: <BackupLink id={drill.backup} /> },
        { term: facts.repository, value: <RepositoryLink name={drill.repository} /> },
        { term: facts.agent, value: <AgentLink name={drill.agent} /> },
        {
          term: facts.kind,
          value: drill.kind == null ? <None /> : text.kinds[drill.kind],
        },
        { term: facts.at, value: drill.at ?? <None /> },
        { term: facts.target, value: <Time absolute at={drill.targetAt} /> },
        { term: facts.reached, value: <Time absolute at={drill.reachedAt} /> },
        { term: facts.lsn, value: <Lsn at={drill.reachedLsn} /> },
        { term: facts.lastCommit, value: <Time absolute at={drill.lastCommitAt} /> },
        { term: facts.timeline, value: drill.timeline ?? <None /> },
        { term: facts.version, value: version(drill.serverVersion) ?? <None /> },
        { term: facts.schedule, value: drill.schedule ?? facts.byHand },
        { term: facts.asked, value: <Time at={drill.askedAt} /> },
        { term: facts.finished, value: <Time at={drill.finishedAt} /> },
      ]}
    />
  );
}
