/** What the shapes and colours of the band mean. */
import { useId, type ReactNode } from 'react';
import { words } from '../../../words';
import { BackupShape, Hatches, HoldRing, VerifiedTick } from './marks';

const text = words.coverage.legend;

export function Legend() {
  const hatch = useId();
  return (
    <ul
      aria-label={text.title}
      className="flex flex-wrap gap-x-4 gap-y-1.5 border-t border-line pt-3 text-xs text-ink-2"
    >
      <Item text={text.covered}>
        <rect x={-9} y={-6} width={18} height={12} rx={3} className="fill-ok-mark" />
      </Item>
      <Item text={text.another}>
        <rect x={-9} y={-6} width={18} height={12} rx={3} className="fill-accent" />
      </Item>
      <Item text={text.hole}>
        <Hatches id={hatch} />
        <rect
          x={-9}
          y={-6}
          width={18}
          height={12}
          rx={3}
          fill={`url(#${hatch}-gap)`}
          className="stroke-bad"
        />
      </Item>
      <Item text={text.expected}>
        <rect
          x={-9}
          y={-6}
          width={18}
          height={12}
          rx={3}
          fill={`url(#${hatch}-gone)`}
          className="stroke-idle-mark"
        />
      </Item>
      <Item text={text.full}>
        <BackupShape kind="full" state="available" />
      </Item>
      <Item text={text.incremental}>
        <BackupShape kind="incremental" state="available" />
      </Item>
      <Item text={text.logical}>
        <BackupShape kind="logical" state="available" />
      </Item>
      <Item text={text.failed}>
        <BackupShape kind="full" state="failed" />
      </Item>
      <Item text={text.held}>
        <HoldRing />
        <BackupShape kind="full" state="available" />
      </Item>
      <Item text={text.verified}>
        <BackupShape kind="full" state="available" />
        <VerifiedTick />
      </Item>
      <Item text={text.violation}>
        <rect x={-9} y={-4} width={18} height={8} rx={3} className="fill-bad-mark" />
      </Item>
    </ul>
  );
}

function Item({ text: said, children }: { text: string; children: ReactNode }) {
  return (
    <li className="flex items-center gap-1.5">
      <svg aria-hidden width={26} height={20} viewBox="-13 -10 26 20">
        {children}
      </svg>
      {said}
    </li>
  );
}
