/** Taking a snapshot of the state now, and saying where and how often. */
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import type { Schemas } from '../../api/client';
import { useWholeList } from '../../api/pages';
import { scheduleSnapshots, takeSnapshot } from '../../api/queries/nodes';
import { repositories } from '../../api/queries/repositories';
import { parseDuration } from '../../format/time';
import { Combobox } from '../../ui/Combobox';
import { TextField } from '../../ui/Field';
import { words } from '../../words';

const text = words.administration.snapshots;

function Repository({
  value,
  onChange,
}: {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const known = useWholeList(repositories.list()).items.map(({ metadata: { name } }) => name);
  return (
    <Combobox
      label={text.repository}
      help={text.repositoryHelp}
      value={value}
      options={known.map((name) => ({ value: name, text: name }))}
      onChange={onChange}
    />
  );
}

export function TakeSnapshot({ onClose }: { onClose: () => void }) {
  const [repository, setRepository] = useState<string>();
  const body = repository === undefined ? {} : { repository };
  const act = useAct({
    run: () => takeSnapshot(repository),
    stale: ['state-snapshots', 'status'],
    said: () => text.taken,
    onDone: onClose,
  });
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.takeTitle}
      about={text.about}
      action={text.take}
      act={act}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast snapshot${repository === undefined ? '' : ` --repository ${repository}`}`,
        api: { method: 'POST', path: '/api/v1/state-snapshots', body },
      }}
    >
      <Repository value={repository} onChange={setRepository} />
    </ActDialog>
  );
}

export function ScheduleSnapshots({
  settings,
  onClose,
}: {
  settings: Schemas['StateSafety'] | undefined;
  onClose: () => void;
}) {
  const [repository, setRepository] = useState(settings?.repository);
  const [every, setEvery] = useState(settings?.every ?? '15m');
  const [keep, setKeep] = useState(String(settings?.keep ?? 96));
  const body = { repository: repository ?? '', every, keep: Number(keep) };
  const act = useAct({
    run: () => scheduleSnapshots(body),
    stale: ['state-snapshots', 'status'],
    said: () => text.saved,
    onDone: onClose,
  });
  const wrong = parseDuration(every) === undefined ? words.policies.form.duration : undefined;
  const whole = /^\d+$/.test(keep);
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.settings}
      about={text.about}
      action={text.save}
      act={act}
      disabled={repository === undefined || wrong !== undefined || !whole}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast snapshot schedule --repository ${repository ?? 'NAME'} --every ${every} --keep ${keep}`,
        api: { method: 'PUT', path: '/api/v1/state-snapshots/settings', body },
      }}
    >
      <Repository value={repository} onChange={setRepository} />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={text.everyLabel}
          error={wrong}
          value={every}
          onChange={({ target }) => setEvery(target.value)}
        />
        <TextField
          label={text.keepLabel}
          error={whole ? undefined : words.policies.form.number}
          inputMode="numeric"
          value={keep}
          onChange={({ target }) => setKeep(target.value)}
        />
      </div>
    </ActDialog>
  );
}
