/** A channel as YAML, begun with an example of its type: each has settings of its own. */
import { useMemo, useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import { isApiError } from '../../api/problem';
import { revisionOf, type Schemas } from '../../api/client';
import { saveChannel, type Channel } from '../../api/queries/channels';
import { Select } from '../../ui/Field';
import { words } from '../../words';
import { readPath, readYaml, valueAt, writeYaml } from '../../yaml/twin';
import { YamlEditor, type LineMark } from '../../yaml/YamlEditor';

const { form, types } = words.administration.channels;
const TYPES = ['webhook', 'email', 'slack', 'pagerduty'] as const;

const SETTINGS = {
  webhook: 'url: https://hooks.example.com/holdfast\n  secret: signing',
  email:
    'host: mail.example.com\n  port: 587\n  tls: starttls\n  from: holdfast@example.com\n  to: [on-call@example.com]',
  slack: 'urlSecret: slack-webhook',
  pagerduty: 'routingKeySecret: pagerduty-key',
} as const;

const exampleOf = (type: keyof typeof SETTINGS) =>
  `apiVersion: holdfast/v1
kind: NotificationChannel
metadata:
  name: on-call
spec:
  type: ${type}
  ${SETTINGS[type]}
  minimumSeverity: warning
`;

export function ChannelEditor({
  channel,
  onClose,
}: {
  channel: Channel | undefined;
  onClose: () => void;
}) {
  const [type, setType] = useState<keyof typeof SETTINGS>('webhook');
  const [value, setValue] = useState(() =>
    channel === undefined ? exampleOf('webhook') : textOf(channel),
  );
  const read = useMemo(() => readYaml(value, words.yaml), [value]);
  const name = String(valueAt(read.value, ['metadata', 'name']) ?? '');
  const document = read.value as unknown as Schemas['NotificationChannelDocument'] | undefined;
  const act = useAct({
    run: (body: Schemas['NotificationChannelDocument']) =>
      saveChannel(body, channel === undefined ? undefined : revisionOf(channel)),
    stale: ['notification-channels'],
    said: () => form.saved(name),
    onDone: onClose,
  });
  const marks: LineMark[] = [...read.faults];
  if (isApiError(act.error) && act.error.field !== undefined) {
    const { field, message } = act.error;
    marks.push({ field, message, line: read.lineOf(readPath(field)) });
  }
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={form.title(channel?.metadata.name ?? '')}
      about={form.yamlAbout}
      width="lg"
      action={form.save}
      act={act}
      disabled={document === undefined || name === ''}
      onSubmit={() => document !== undefined && act.mutate(document)}
      equivalent={{
        cli: 'holdfast apply -f channel.yaml',
        api: {
          method: 'PUT',
          path: `/api/v1/notification-channels/${name === '' ? '…' : name}`,
          body: read.value,
        },
      }}
    >
      {channel === undefined && (
        <Select
          label={form.type}
          value={type}
          options={TYPES.map((each) => ({ value: each, text: types[each] }))}
          onValueChange={(next) => {
            setType(next);
            setValue(exampleOf(next));
          }}
        />
      )}
      <YamlEditor
        label={form.yaml}
        value={value}
        onChange={(next) => {
          setValue(next);
          act.reset();
        }}
        marks={marks}
      />
    </ActDialog>
  );
}

function textOf({ apiVersion, kind, metadata, spec }: Channel): string {
  return writeYaml({ apiVersion, kind, metadata, spec });
}
