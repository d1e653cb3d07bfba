/** To which point: on the band, or said exactly; and what restoring there means. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { backups } from '../../api/queries/backups';
import { formatLocal, formatUtc } from '../../format/time';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Switch } from '../../ui/Check';
import { Combobox } from '../../ui/Combobox';
import { cx } from '../../ui/cx';
import { TextField } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
import { words } from '../../words';
import { BandPicker } from './BandPicker';
import { Meaning } from './Meaning';
import {
  KINDS,
  hasEdge,
  isOnRecord,
  readPoint,
  writePoint,
  wrongWith,
  type Point,
  type PointKind,
} from './point';
import type { StepProps } from './WizardPage';

const text = words.wizard.point;

export function PointStep({ draft, change, wrong }: StepProps) {
  const cluster = draft.cluster ?? '';
  const at = draft.at ?? 'latest';
  const point = readPoint(at);
  const fits = wrongWith(at) === undefined;
  const banded = point.kind === 'time' || point.kind === 'latest';
  return (
    <div className="space-y-4">
      <Card>
        <CardHeader title={text.title} about={text.about} />
        <CardBody className="space-y-4">
          {banded && (
            <BandPicker
              cluster={cluster}
              at={point.kind === 'time' && fits ? point.value : undefined}
              draft={draft}
              change={change}
            />
          )}
          <Kinds point={point} onChange={(kind) => change({ at: begin(kind, point) })} />
          <p className="text-ink-2">{text.kindAbout[point.kind]}</p>
          <div className="grid items-start gap-4 sm:grid-cols-2">
            <Value
              point={point}
              cluster={cluster}
              error={wrong.at}
              onChange={(value) => change({ at: writePoint({ kind: point.kind, value }) })}
            />
            {hasEdge(point.kind) && draft.rehearse !== true && (
              <div className="sm:pt-6">
                <Switch
                  label={text.exclusive}
                  help={text.exclusiveHelp}
                  checked={draft.exclusive === true}
                  onChange={(exclusive) => change({ exclusive: exclusive || undefined })}
                />
              </div>
            )}
          </div>
        </CardBody>
      </Card>
      <Card>
        <CardHeader title={text.meaning} />
        <CardBody>
          {!fits ? (
            <p className="text-ink-2">{wrongWith(at)}</p>
          ) : isOnRecord(point.kind) ? (
            <Meaning cluster={cluster} at={at} onChoose={(next) => change({ at: next })} />
          ) : (
            <p className="text-ink-2">{text.onlyPlan}</p>
          )}
        </CardBody>
      </Card>
    </div>
  );
}

/** What a kind begins with: the time that was chosen stays, nothing else carries over. */
function begin(kind: PointKind, before: Point): string {
  if (kind === before.kind) return writePoint(before);
  const now = new Date();
  now.setMilliseconds(0);
  return writePoint({ kind, value: kind === 'time' ? now.toISOString() : '' });
}

function Kinds({ point, onChange }: { point: Point; onChange: (kind: PointKind) => void }) {
  return (
    <div
      role="radiogroup"
      aria-label={text.kindLabel}
      className="scroll-quiet flex max-w-full gap-1 overflow-x-auto rounded-lg bg-sunken p-1"
    >
      {KINDS.map((kind) => (
        <label
          key={kind}
          className={cx(
            'relative flex h-8 cursor-pointer items-center rounded-md px-3 font-medium whitespace-nowrap has-focus-visible:outline-2 has-focus-visible:outline-focus',
            kind === point.kind ? 'bg-surface text-ink shadow-lift' : 'text-ink-2 hover:text-ink',
          )}
        >
          <input
            type="radio"
            name="point-kind"
            checked={kind === point.kind}
            onChange={() => onChange(kind)}
            className="absolute inset-0 cursor-pointer opacity-0"
          />
          {text.kinds[kind]}
        </label>
      ))}
    </div>
  );
}

function Value({
  point: { kind, value },
  cluster,
  error,
  onChange,
}: {
  point: Point;
  cluster: string;
  error: string | undefined;
  onChange: (value: string) => void;
}) {
  switch (kind) {
    case 'latest':
    case 'immediate':
      return null;
    case 'time':
      return <TimeValue value={value} error={error} onChange={onChange} />;
    case 'backup':
      return <BackupValue {...{ cluster, value, error, onChange }} />;
    default: {
      const said = {
        lsn: { label: text.lsn, help: text.lsnHelp },
        name: { label: text.name, help: undefined },
        xid: { label: text.xid, help: text.xidHelp },
      }[kind];
      return (
        <TextField
          {...said}
          mono
          spellCheck={false}
          value={value}
          error={error}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    }
  }
}

function TimeValue({
  value,
  error,
  onChange,
}: {
  value: string;
  error: string | undefined;
  onChange: (value: string) => void;
}) {
  const date = new Date(value);
  const known = !Number.isNaN(date.getTime());
  return (
    <MomentField
      label={text.time}
      seconds
      value={known ? date : undefined}
      error={error}
      help={known ? text.utc(formatUtc(date)) : undefined}
      onChoose={(chosen) => chosen !== undefined && onChange(chosen.toISOString())}
    />
  );
}

function BackupValue({
  cluster,
  value,
  error,
  onChange,
}: {
  cluster: string;
  value: string;
  error: string | undefined;
  onChange: (value: string) => void;
}) {
  const list = useInfiniteQuery(backups.list({ cluster, state: 'available' }));
  const known = list.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <Combobox
      label={text.backup}
      help={text.backupHelp}
      error={error}
      free
      value={value === '' ? undefined : value}
      options={known.map(({ id, kind, finishedAt, startedAt }) => ({
        value: id,
        text: `${formatLocal(new Date(finishedAt ?? startedAt))} · ${words.work.backupKinds[kind]} · ${id}`,
      }))}
      onChange={(next) => onChange(next ?? '')}
    />
  );
}
