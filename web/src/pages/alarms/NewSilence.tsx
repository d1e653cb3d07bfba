/** A silence: of what, for how long, and why. It always ends. */
import { BellOff } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { makeSilence, type AlarmRule } from '../../api/queries/alarms';
import { clusters } from '../../api/queries/clusters';
import { fleets } from '../../api/queries/fleets';
import { serverNow } from '../../live/freshness';
import { Combobox } from '../../ui/Combobox';
import { shellWord } from '../../ui/Equivalent';
import { Select, TextField } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
import { words } from '../../words';
import { RULES } from './route';
import { untilOf } from './until';

const text = words.alarms.silences;
const FORS = ['1h', '4h', '24h', '168h', 'until'] as const;

export interface Silenced {
  rule: AlarmRule | undefined;
  fleet: string | undefined;
  cluster: string | undefined;
}

export function NewSilence({
  given,
  onClose,
  onDone,
}: {
  given: Silenced;
  onClose: () => void;
  onDone?: () => void;
}) {
  const [what, setWhat] = useState(given);
  const [time, setTime] = useState<(typeof FORS)[number]>('4h');
  const [until, setUntil] = useState<Date>();
  const [reason, setReason] = useState('');
  const known = useWholeList(fleets.list()).items.map(({ metadata: { name } }) => name);
  const named = useWholeList(clusters.list()).items.map(({ metadata: { name } }) => name);
  const end = untilOf(time, until, serverNow());
  const body = {
    reason,
    until: end ?? '',
    ...(what.rule !== undefined && { rule: what.rule }),
    ...(what.fleet !== undefined && { fleet: what.fleet }),
    ...(what.cluster !== undefined && { cluster: what.cluster }),
  };
  const act = useAct({
    // How long counts from when it is sent.
    run: () => makeSilence({ ...body, until: untilOf(time, until, serverNow()) ?? '' }),
    stale: ['silences', 'alarms'],
    said: () => text.created,
    onDone: () => {
      onClose();
      onDone?.();
    },
  });
  const options = (names: readonly string[]) => names.map((value) => ({ value, text: value }));
  const everything = Object.values(what).every((value) => value === undefined);
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.title}
      about={text.about}
      action={text.create}
      act={act}
      disabled={reason.trim() === '' || end === undefined}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: cliOf(body, time),
        api: { method: 'POST', path: '/api/v1/silences', body },
      }}
    >
      <Select
        label={text.rule}
        value={what.rule ?? ''}
        options={[
          { value: '', text: text.all },
          ...RULES.map((value) => ({ value, text: words.alarms.rules[value] })),
        ]}
        onValueChange={(value) => setWhat({ ...what, rule: RULES.find((each) => each === value) })}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <Combobox
          label={text.fleet}
          placeholder={text.all}
          value={what.fleet}
          options={options(known)}
          onChange={(fleet) => setWhat({ ...what, fleet })}
        />
        <Combobox
          label={text.cluster}
          placeholder={text.all}
          value={what.cluster}
          options={options(named)}
          onChange={(cluster) => setWhat({ ...what, cluster })}
        />
        <Select
          label={text.for}
          value={time}
          options={FORS.map((value) => ({ value, text: text.fors[value] }))}
          onValueChange={setTime}
        />
        {time === 'until' && (
          <MomentField label={text.until} help={text.untilHelp} value={until} onChoose={setUntil} />
        )}
      </div>
      <TextField
        label={text.reason}
        help={text.reasonNeeded}
        value={reason}
        onChange={({ target }) => setReason(target.value)}
      />
      {everything && (
        <p className="flex items-center gap-2 font-medium text-warn">
          <BellOff aria-hidden className="size-4" />
          {text.everything}
        </p>
      )}
    </ActDialog>
  );
}

function cliOf(
  body: { reason: string; until: string; rule?: string; fleet?: string; cluster?: string },
  time: string,
): string {
  const options = [
    body.rule && `--rule ${body.rule}`,
    body.fleet && `--fleet ${body.fleet}`,
    body.cluster && `--cluster ${body.cluster}`,
    time === 'until' ? `--until ${body.until}` : `--for ${time}`,
    `--reason ${shellWord(body.reason)}`,
  ];
  return ['holdfast alarm silence', ...options.filter(Boolean)].join(' ');
}
