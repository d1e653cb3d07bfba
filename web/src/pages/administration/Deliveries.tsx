/** What a channel is and was told, the newest first. */
import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, Clock } from 'lucide-react';
import { useWholeList } from '../../api/pages';
import { channels, type Delivery, type DeliveryState } from '../../api/queries/channels';
import { StatusPill } from '../../ui/Badge';
import { Select } from '../../ui/Field';
import { SmallTable } from '../../ui/SmallTable';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { Block } from './Block';
import { DELIVERY_STATES } from './route';

const text = words.administration.channels;
const LOOKS = {
  pending: { tone: 'warn', icon: Clock },
  sent: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
} as const;

export function Deliveries({
  channel,
  state,
  onState,
}: {
  channel: string;
  state: DeliveryState | undefined;
  onState: (state: DeliveryState | undefined) => void;
}) {
  const list = useWholeList(channels.deliveries(channel, state));
  return (
    <Block
      title={text.deliveriesOf(channel)}
      error={list.items.length === 0 ? list.error : null}
      retry={list.retry}
      actions={
        <Select
          label={text.state}
          labelHidden
          className="w-36"
          value={state ?? ''}
          options={[
            { value: '', text: text.any },
            ...DELIVERY_STATES.map((value) => ({ value, text: text.deliveryStates[value] })),
          ]}
          onValueChange={(value) => onState(DELIVERY_STATES.find((each) => each === value))}
        />
      }
    >
      <SmallTable<Delivery>
        label={text.deliveriesOf(channel)}
        pending={list.pending}
        rows={list.items}
        rowId={({ notice }) => notice}
        empty={<p className="px-4 py-6 text-center text-ink-2">{text.noDeliveries}</p>}
        className="max-h-[28rem] overflow-y-auto"
        columns={[
          {
            name: text.deliveryColumns.what,
            cell: ({ rule, kind, alarms }) => (
              <span>
                <span className="block font-medium first-letter:uppercase">
                  {words.alarms.rules[rule]}
                </span>
                <span className="text-sm text-ink-2">
                  {text.kinds[kind]}
                  {alarms.length > 0 && ', '}
                  {alarms[0] !== undefined && (
                    <Link
                      to="/alarms"
                      search={{ alarm: alarms[0].id }}
                      className="rounded-sm underline decoration-line-strong underline-offset-4"
                    >
                      {text.alarms(alarms.length)}
                    </Link>
                  )}
                </span>
              </span>
            ),
          },
          {
            name: text.deliveryColumns.state,
            cell: ({ state: reached, nextAttemptAt }) => (
              <span>
                <StatusPill tone={LOOKS[reached].tone} icon={LOOKS[reached].icon}>
                  {text.deliveryStates[reached]}
                </StatusPill>
                {reached === 'pending' && nextAttemptAt && (
                  <span className="block pt-0.5 text-xs text-ink-2">
                    {text.nextTry} <Time at={nextAttemptAt} />
                  </span>
                )}
              </span>
            ),
          },
          {
            name: text.deliveryColumns.at,
            cell: ({ createdAt, doneAt }) => <Time at={doneAt ?? createdAt} />,
          },
          {
            name: text.deliveryColumns.attempts,
            from: 'md',
            align: 'end',
            cell: ({ attempts }) => <span className="num">{attempts}</span>,
          },
          {
            name: text.deliveryColumns.error,
            from: 'lg',
            cell: ({ lastError }) =>
              lastError ? <span className="text-sm text-ink-2">{lastError}</span> : <None />,
          },
        ]}
      />
    </Block>
  );
}
