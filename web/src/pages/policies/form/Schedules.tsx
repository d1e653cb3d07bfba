/** Schedules: what is taken when. Rarer fields are in the YAML, and named here. */
import { useState } from 'react';
import { Select, TextField } from '../../../ui/Field';
import { words } from '../../../words';
import { valueAt, type Path } from '../../../yaml/twin';
import { Choice, Text, useForm } from './fields';
import { Besides, Items } from './Items';

const text = words.policies.form;
const KNOWN = [
  'name',
  'kind',
  'cron',
  'every',
  'timezone',
  'window',
  'jitter',
  'from',
  'databases',
];

export function Schedules() {
  return (
    <Items
      path={['spec', 'schedules']}
      add={text.addSchedule}
      fresh={(number) => ({ name: `schedule-${number}`, kind: 'full', every: '24h' })}
      titleOf={(item, index) => text.schedule(nameOf(item), index + 1)}
    >
      {(path, item) => (
        <>
          <div className="grid gap-3 sm:grid-cols-2">
            <Text path={[...path, 'name']} label={text.scheduleName} />
            <Choice path={[...path, 'kind']} label={text.kind} options={text.kinds} />
            <Rhythm path={path} />
            <Text
              path={[...path, 'window']}
              label={text.startWithin}
              help={text.durationHelp}
              duration
            />
            <Text
              path={[...path, 'jitter']}
              label={text.jitter}
              help={text.durationHelp}
              duration
            />
            {valueAt(item, ['kind']) === 'logical' ? (
              <Databases path={[...path, 'databases']} />
            ) : (
              <Choice path={[...path, 'from']} label={text.from} options={text.froms} />
            )}
          </div>
          <Besides item={item} known={KNOWN} />
        </>
      )}
    </Items>
  );
}

/** By a period, or by a line of cron with its zone: one of both. */
export function Rhythm({ path }: { path: Path }) {
  const form = useForm();
  const byCron = valueAt(form.value, [...path, 'cron']) !== undefined;
  const choose = (rhythm: 'every' | 'cron') => {
    const item = { ...(valueAt(form.value, path) as Record<string, unknown>) };
    for (const field of ['cron', 'every', 'timezone']) delete item[field];
    const { name, kind, ...rest } = item;
    const chosen = rhythm === 'cron' ? { cron: '0 2 * * *' } : { every: '24h' };
    form.set(path, { name, kind, ...chosen, ...rest });
  };
  return (
    <>
      <Select
        label={text.rhythm}
        value={byCron ? 'cron' : 'every'}
        options={[
          { value: 'every', text: text.rhythms.every },
          { value: 'cron', text: text.rhythms.cron },
        ]}
        disabled={form.disabled}
        onValueChange={choose}
      />
      {byCron ? (
        <>
          <Text path={[...path, 'cron']} label={text.cron} help={text.cronHelp} />
          <Text
            path={[...path, 'timezone']}
            label={text.timezone}
            help={text.timezoneHelp}
            placeholder={text.timezoneExample}
          />
        </>
      ) : (
        <Text path={[...path, 'every']} label={text.every} help={text.durationHelp} duration />
      )}
    </>
  );
}

/** Names with commas; written when it is left, for half a list is no list. */
function Databases({ path }: { path: Path }) {
  const form = useForm();
  const found = valueAt(form.value, path);
  const line = Array.isArray(found) ? found.join(', ') : '';
  const [typed, setTyped] = useState<string>();
  const commit = () => {
    if (typed === undefined) return;
    const names = typed
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    form.set(path, names.length === 0 ? undefined : names);
    setTyped(undefined);
  };
  return (
    <TextField
      label={text.databases}
      help={text.databasesHelp}
      value={typed ?? line}
      disabled={form.disabled}
      spellCheck={false}
      onChange={({ target }) => setTyped(target.value)}
      onBlur={commit}
    />
  );
}

function nameOf(item: unknown): string {
  const name = valueAt(item, ['name']);
  return typeof name === 'string' ? name : '';
}
