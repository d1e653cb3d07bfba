/** The form of a drill plan: each field is a place in the YAML, as in the form of policies. */
import { useWholeList } from '../../../api/pages';
import { places } from '../../../api/queries/places';
import { Select } from '../../../ui/Field';
import { words } from '../../../words';
import { valueAt, type Path } from '../../../yaml/twin';
import { Choice, Named, Section, Text, useForm } from '../../policies/form/fields';
import { Items } from '../../policies/form/Items';
import { Labels } from '../../policies/form/Labels';
import { Rhythm } from '../../policies/form/Schedules';
import { CHECK_KINDS, freshCheck, kindOf } from './checks';

const text = words.drills.plan;
const { durationHelp } = words.policies.form;
const GRID = 'grid gap-3 sm:grid-cols-2';

export function PlanForm({ isNew }: { isNew: boolean }) {
  const agents = useWholeList(places.agents()).items;
  const repositories = useWholeList(places.repositories()).items;
  const regions = [...new Set(agents.flatMap(({ region }) => region ?? []))];
  return (
    <div>
      <Section title={text.who} about={text.whoAbout}>
        {isNew && <Text path={['metadata', 'name']} label={text.name} help={text.nameHelp} />}
        <Labels path={['spec', 'selector']} />
      </Section>
      <Section title={text.when} about={text.whenAbout}>
        <div className={GRID}>
          <Rhythm path={['spec']} />
          <Text path={['spec', 'window']} label={text.window} help={durationHelp} duration />
        </div>
      </Section>
      <Section title={text.what} about={text.whatAbout}>
        <div className={GRID}>
          <Choice path={['spec', 'at']} label={text.at} options={text.points} />
          <Choice path={['spec', 'kind']} label={text.kind} options={text.kinds} />
          <Named
            path={['spec', 'agent']}
            label={text.agent}
            help={text.placeHelp}
            names={agents.map(({ name }) => name)}
          />
          <Named path={['spec', 'region']} label={text.region} names={regions} />
          <Named
            path={['spec', 'repository']}
            label={text.repository}
            names={repositories.map(({ metadata }) => metadata.name)}
          />
          <Text path={['spec', 'database']} label={text.database} />
        </div>
      </Section>
      <Section title={text.checks} about={text.checksAbout}>
        <Items
          path={['spec', 'checks']}
          add={text.addCheck}
          fresh={() => freshCheck('sql')}
          titleOf={(item, index) => String(valueAt(item, ['name']) ?? text.check(index + 1))}
        >
          {(path, item) => <CheckFields path={path} item={item} />}
        </Items>
      </Section>
    </div>
  );
}

function CheckFields({ path, item }: { path: Path; item: unknown }) {
  const form = useForm();
  const kind = kindOf(item);
  return (
    <div className={GRID}>
      <Select
        label={text.checkKind}
        value={kind}
        disabled={form.disabled}
        options={CHECK_KINDS.map((value) => ({ value, text: text.checkKinds[value] }))}
        onValueChange={(next) => form.set(path, freshCheck(next))}
      />
      {kind === 'rowCounts' && <Text path={[...path, 'rowCounts']} label={text.rowCounts} />}
      {kind === 'sql' && (
        <>
          <Text path={[...path, 'database']} label={text.inDatabase} />
          <Text path={[...path, 'sql']} label={text.sql} />
          <Text path={[...path, 'expect']} label={text.expect} help={text.expectHelp} />
        </>
      )}
    </div>
  );
}
