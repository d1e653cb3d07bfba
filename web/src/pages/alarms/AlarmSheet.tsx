/** One alarm beside the list: what it is about, what to do, taking it on. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { BellOff, HandHelping } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { ActError } from '../../acts/ActError';
import { useAct } from '../../acts/useAct';
import { acknowledgeAlarm, alarms, type Alarm } from '../../api/queries/alarms';
import { saidHere } from '../../format/said';
import { Subject } from '../../subjects/Subject';
import { Button } from '../../ui/Button';
import { Prose } from '../../ui/Prose';
import { Sheet } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { Facts } from '../../ui/Facts';
import { TextArea } from '../../ui/Field';
import { ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { NewSilence } from './NewSilence';
import { SeverityPill } from './SeverityPill';

const text = words.alarms;

export function AlarmSheet({ id, onClose }: { id: string; onClose: () => void }) {
  const query = useQuery(alarms.detail(id));
  const alarm = query.data;
  const title = alarm === undefined ? text.detail.unread : upper(alarm.title);
  return (
    <Sheet open onOpenChange={(open) => !open && onClose()} title={title}>
      <div data-autofocus tabIndex={-1} className="space-y-5 px-4 pt-2 pb-6 outline-none">
        {query.error !== null && alarm === undefined && (
          <ErrorState compact error={query.error} retry={() => void query.refetch()} />
        )}
        {query.isPending && <Skeleton className="h-24 w-full" />}
        {alarm !== undefined && <Content alarm={alarm} />}
      </div>
    </Sheet>
  );
}

function Content({ alarm }: { alarm: Alarm }) {
  const [silencing, setSilencing] = useState(false);
  const open = alarm.state === 'open';
  return (
    <>
      <div className="space-y-2">
        <SeverityPill severity={alarm.severity} />
        <p className="text-lg text-pretty first-letter:uppercase">{saidHere(alarm.message)}.</p>
      </div>
      <section className="rounded-lg bg-accent-soft px-4 py-3">
        <h3 className="text-sm font-semibold text-accent">{text.detail.advice}</h3>
        <p className="first-letter:uppercase">
          <Prose text={alarm.advice} />
        </p>
      </section>
      <Facts facts={factsOf(alarm)} />
      {open && !alarm.acknowledgedAt && <Acknowledge alarm={alarm} />}
      {open && (
        <Button size="sm" icon={BellOff} onClick={() => setSilencing(true)}>
          {text.silence}
        </Button>
      )}
      {silencing && (
        <NewSilence
          given={{
            rule: alarm.rule,
            fleet: alarm.cluster ? undefined : (alarm.fleet ?? undefined),
            cluster: alarm.cluster ?? undefined,
          }}
          onClose={() => setSilencing(false)}
        />
      )}
    </>
  );
}

function factsOf(alarm: Alarm): { name: string; value: ReactNode; wide?: boolean }[] {
  const { detail } = text;
  const told = Object.entries(alarm.told);
  const facts: ({ name: string; value: ReactNode; wide?: boolean } | undefined)[] = [
    { name: detail.subject, value: <Subject subject={alarm.subject} />, wide: true },
    {
      name: detail.rule,
      value: (
        <Link
          to="/alarms"
          search={{ rule: alarm.rule }}
          className="rounded-sm underline decoration-line-strong underline-offset-4"
        >
          {text.rules[alarm.rule]}
        </Link>
      ),
    },
    alarm.fleet
      ? { name: detail.fleet, value: <Subject subject={`fleets/${alarm.fleet}`} /> }
      : undefined,
    alarm.cause
      ? {
          name: detail.cause,
          value: (
            <a
              href={`/errors/${alarm.cause}`}
              target="_blank"
              rel="noreferrer"
              className="underline underline-offset-4"
            >
              <code className="text-sm">{alarm.cause}</code>
            </a>
          ),
        }
      : undefined,
    { name: detail.since, value: <Time at={alarm.since ?? alarm.openedAt} /> },
    { name: detail.opened, value: <Time at={alarm.openedAt} /> },
    { name: detail.seen, value: <Time at={alarm.lastSeenAt} /> },
    { name: detail.count, value: <span className="num">{text.times(alarm.count)}</span> },
    alarm.closedAt ? { name: detail.closed, value: <Time at={alarm.closedAt} /> } : undefined,
    alarm.acknowledgedBy
      ? {
          name: detail.taken,
          wide: true,
          value: (
            <>
              {whoOf(alarm.acknowledgedBy)}, <Time at={alarm.acknowledgedAt} />
              {alarm.note && <span className="mt-1 block text-ink-2">{alarm.note}</span>}
            </>
          ),
        }
      : undefined,
    {
      name: detail.told,
      wide: true,
      value:
        told.length === 0 ? (
          <span className="text-ink-2">{detail.toldNobody}</span>
        ) : (
          told.map(([channel]) => (
            <Link
              key={channel}
              to="/administration"
              search={{ tab: 'channels', channel }}
              className="mr-2 rounded-sm underline decoration-line-strong underline-offset-4"
            >
              {channel}
            </Link>
          ))
        ),
    },
  ];
  return facts.filter((fact) => fact !== undefined);
}

function Acknowledge({ alarm }: { alarm: Alarm }) {
  const [note, setNote] = useState('');
  const act = useAct({
    run: () => acknowledgeAlarm(alarm.id, note.trim()),
    stale: ['alarms', 'status'],
    said: () => text.acknowledged,
  });
  return (
    <form
      className="space-y-3 rounded-lg border border-line p-4"
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate();
      }}
    >
      <p className="text-ink-2">{text.acknowledgeAbout}</p>
      <TextArea
        label={text.note}
        help={text.noteHelp}
        rows={3}
        value={note}
        onChange={({ target }) => setNote(target.value)}
      />
      <ActError error={act.error} />
      <div className="flex flex-wrap gap-2">
        <Button type="submit" variant="primary" icon={HandHelping} busy={act.isPending}>
          {text.acknowledge}
        </Button>
        <Equivalent
          cli={`holdfast alarm acknowledge ${alarm.id}${note === '' ? '' : ` --note ${shellWord(note)}`}`}
          api={{
            method: 'POST',
            path: `/api/v1/alarms/${alarm.id}/acknowledge`,
            body: note === '' ? {} : { note },
          }}
        />
      </div>
    </form>
  );
}

const upper = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);
