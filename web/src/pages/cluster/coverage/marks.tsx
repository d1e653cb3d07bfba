/** The marks of the band, in SVG: a shape each, so that colour is never alone. */
import type { BackupMark, DrillMark } from '../../../api/queries/coverage';
import { cx } from '../../../ui/cx';
import type { BackupGroup } from './layout';

/** A backup, its centre at 0,0. */
export function BackupShape({ kind, state }: Pick<BackupMark, 'kind' | 'state'>) {
  if (state === 'failed') {
    return (
      <path d="M-4.5-4.5 4.5 4.5M4.5-4.5-4.5 4.5" className="stroke-bad-mark" strokeWidth={2.25} />
    );
  }
  const running = state === 'running';
  const look = cx(
    running ? 'fill-surface stroke-info' : 'stroke-surface',
    !running && (state === 'condemned' ? 'fill-idle-mark' : 'fill-ink'),
  );
  const rest = { strokeWidth: 1.5, strokeDasharray: running ? '2 2' : undefined, className: look };
  if (kind === 'full') return <path d="M0-7 7 0 0 7-7 0Z" {...rest} />;
  if (kind === 'incremental') return <circle r={4} {...rest} />;
  return <rect x={-4.5} y={-4.5} width={9} height={9} rx={1.5} {...rest} />;
}

/** A ring around what is held. */
export function HoldRing() {
  return <circle r={9.5} className="fill-none stroke-warn-mark" strokeWidth={1.75} />;
}

/** A tick on what a drill restored. */
export function VerifiedTick() {
  return (
    <g transform="translate(7 -6)">
      <circle r={4.5} className="fill-ok stroke-surface" strokeWidth={1} />
      <path d="M-2 0.2-0.6 1.6 2-1.4" className="fill-none stroke-surface" strokeWidth={1.4} />
    </g>
  );
}

export function BackupSign({
  group,
  y,
  bandTop,
}: {
  group: BackupGroup;
  y: number;
  bandTop: number;
}) {
  return (
    <g transform={`translate(${group.x} ${y})`}>
      <path
        d={`M0 8V${bandTop - y}`}
        className={group.first.state === 'failed' ? 'stroke-bad-mark' : 'stroke-ink-3'}
        strokeWidth={1}
        strokeDasharray={group.first.state === 'available' ? undefined : '2 2'}
      />
      {group.marks.length > 1 && (
        <path d="M-8.5-2.5-11 0l2.5 2.5M8.5-2.5 11 0 8.5 2.5" className="fill-none stroke-ink-3" />
      )}
      {group.held && <HoldRing />}
      <BackupShape kind={group.first.kind} state={group.first.state} />
      {group.verified && <VerifiedTick />}
    </g>
  );
}

export function DrillShape({ verdict }: Pick<DrillMark, 'verdict'>) {
  if (verdict === 'passed') {
    return (
      <g>
        <circle r={7} className="fill-ok" />
        <path d="M-3 0.2-0.9 2.4 3.2-2.2" className="fill-none stroke-surface" strokeWidth={1.8} />
      </g>
    );
  }
  if (verdict === 'failed') {
    return (
      <g>
        <path d="M0-7.5 7.5 6h-15Z" className="fill-bad" strokeLinejoin="round" />
        <path d="M0-2.5V2" className="stroke-surface" strokeWidth={1.8} />
        <circle cy={4} r={0.95} className="fill-surface" />
      </g>
    );
  }
  return <circle r={6} className="fill-surface stroke-idle-mark" strokeWidth={1.75} />;
}

/** Hatching of gaps: they are told from the band without colour too. */
export function Hatches({ id }: { id: string }) {
  return (
    <defs>
      <Hatch id={`${id}-gap`} className="stroke-bad-mark" ground="fill-bad-soft" />
      <Hatch id={`${id}-gone`} className="stroke-idle-mark" ground="fill-sunken" />
      <Hatch id={`${id}-joined`} className="stroke-surface" ground="fill-transparent" />
    </defs>
  );
}

function Hatch({ id, className, ground }: { id: string; className: string; ground: string }) {
  return (
    <pattern
      id={id}
      width={6}
      height={6}
      patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"
    >
      <rect width={6} height={6} className={ground} />
      <path d="M0 0V6" className={className} strokeWidth={2} />
    </pattern>
  );
}
