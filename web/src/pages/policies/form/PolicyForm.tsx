/** The form of a policy. Each field is a place in the YAML; what it lacks stays there. */
import { useWholeList } from '../../../api/pages';
import { agents } from '../../../api/queries/agents';
import { repositories } from '../../../api/queries/repositories';
import { words } from '../../../words';
import { valueAt } from '../../../yaml/twin';
import { Choice, Named, Section, Text, Whole } from './fields';
import { Besides, Items } from './Items';
import { Labels } from './Labels';
import { Schedules } from './Schedules';

const text = words.policies.form;
const GRID = 'grid gap-3 sm:grid-cols-2';
const BUCKETS = ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const;
const CONSENT = ['delete', 'shortenRetention', 'restoreOver'] as const;

export function PolicyForm({ isNew }: { isNew: boolean }) {
  const places = useWholeList(repositories.list()).items.map(({ metadata }) => metadata.name);
  return (
    <div>
      <Section title={text.sections.who} about={text.about.who}>
        {isNew && <Text path={['metadata', 'name']} label={text.name} help={text.nameHelp} />}
        <Labels path={['spec', 'selector']} />
        <Whole
          path={['spec', 'priority']}
          label={text.priority}
          help={text.priorityHelp}
          className="max-w-64"
        />
      </Section>
      <Section title={text.sections.objectives} about={text.about.objectives}>
        <div className={GRID}>
          <Text
            path={['spec', 'objectives', 'rpo']}
            label={text.rpo}
            help={text.durationHelp}
            duration
          />
          <Text
            path={['spec', 'objectives', 'rto']}
            label={text.rto}
            help={text.durationHelp}
            duration
          />
          <Text
            path={['spec', 'objectives', 'window']}
            label={text.window}
            help={text.durationHelp}
            duration
          />
          <Choice
            path={['spec', 'objectives', 'rpoScope']}
            label={text.rpoScope}
            options={text.rpoScopes}
          />
        </div>
      </Section>
      <Section title={text.sections.place} about={text.about.place}>
        <Named
          path={['spec', 'repository']}
          label={text.repository}
          names={places}
          className="max-w-96"
        />
        <Items
          path={['spec', 'copies']}
          add={text.addCopy}
          fresh={() => ({ repository: '', within: '15m' })}
          titleOf={(item) => `${text.copyTo} ${String(valueAt(item, ['repository']) ?? '')}`}
        >
          {(path) => (
            <div className={GRID}>
              <Named path={[...path, 'repository']} label={text.copyTo} names={places} />
              <Text
                path={[...path, 'within']}
                label={text.within}
                help={text.durationHelp}
                duration
              />
            </div>
          )}
        </Items>
      </Section>
      <Section title={text.sections.wal} about={text.about.wal}>
        <Wal />
      </Section>
      <Section title={text.sections.schedules} about={text.about.schedules}>
        <Schedules />
      </Section>
      <Section title={text.sections.retention} about={text.about.retention}>
        <div className="grid grid-cols-2 gap-3 sm:grid-cols-5">
          {BUCKETS.map((bucket) => (
            <Whole
              key={bucket}
              path={['spec', 'retention', 'keep', bucket]}
              label={text.keep[bucket]}
            />
          ))}
        </div>
        <div className={GRID}>
          <Text
            path={['spec', 'retention', 'pitr']}
            label={text.pitr}
            help={text.pitrHelp}
            duration
          />
          <Text
            path={['spec', 'retention', 'timezone']}
            label={text.timezone}
            help={text.timezoneHelp}
          />
        </div>
      </Section>
      <Section title={text.sections.drills} about={text.about.drills}>
        <Drills />
      </Section>
      <Section title={text.sections.limits} about={text.about.limits}>
        <div className={GRID}>
          <Text
            path={['spec', 'limits', 'bandwidth']}
            label={text.bandwidth}
            help={text.bandwidthHelp}
          />
          <Whole path={['spec', 'limits', 'jobsPerHost']} label={text.jobsPerHost} />
          <Whole path={['spec', 'limits', 'jobsPerRepository']} label={text.jobsPerRepository} />
          <Whole path={['spec', 'limits', 'jobsPerFleet']} label={text.jobsPerFleet} />
          {CONSENT.map((act) => (
            <Whole key={act} path={['spec', 'approvals', act]} label={text.approvals[act]} />
          ))}
        </div>
      </Section>
    </div>
  );
}

function Wal() {
  return (
    <div className={GRID}>
      <Choice path={['spec', 'wal', 'mode']} label={text.walMode} options={text.walModes} />
      <Text
        path={['spec', 'wal', 'flushEvery']}
        label={text.flushEvery}
        help={text.flushHelp}
        duration
      />
      <Choice
        path={['spec', 'wal', 'durability']}
        label={text.durability}
        options={text.durabilities}
      />
      <Text
        path={['spec', 'wal', 'maxRetained']}
        label={text.maxRetained}
        help={text.maxRetainedHelp}
      />
      <Choice path={['spec', 'wal', 'whenFull']} label={text.whenFull} options={text.whenFulls} />
    </div>
  );
}

const DRILL = ['name', 'cron', 'every', 'at', 'agent', 'timezone', 'checks'];

function Drills() {
  const known = useWholeList(agents.list()).items.map(({ name }) => name);
  return (
    <Items
      path={['spec', 'drills']}
      add={text.addDrill}
      fresh={() => ({ cron: '0 6 * * 1', at: 'latest', checks: [{ amcheck: true }] })}
      titleOf={(item, index) => String(valueAt(item, ['name']) ?? text.drill(index + 1))}
    >
      {(path, item) => (
        <>
          <div className={GRID}>
            {valueAt(item, ['every']) === undefined ? (
              <Text path={[...path, 'cron']} label={text.cron} help={text.cronHelp} />
            ) : (
              <Text
                path={[...path, 'every']}
                label={text.every}
                help={text.durationHelp}
                duration
              />
            )}
            <Choice path={[...path, 'at']} label={text.drillAt} options={text.drillAts} />
            <Named path={[...path, 'agent']} label={text.drillAgent} names={known} />
          </div>
          <p className="mt-2 text-sm text-ink-2">{checksOf(item)}</p>
          <Besides item={item} known={DRILL} />
        </>
      )}
    </Items>
  );
}

function checksOf(item: unknown): string {
  const checks = valueAt(item, ['checks']);
  if (!Array.isArray(checks) || checks.length === 0) return text.noChecks;
  return text.checks(
    checks
      .map((check: unknown) => {
        const said = typeof check === 'object' && check !== null ? Object.keys(check) : [];
        return String(valueAt(check, ['sql']) ?? valueAt(check, ['name']) ?? said[0] ?? '');
      })
      .join('; '),
  );
}
