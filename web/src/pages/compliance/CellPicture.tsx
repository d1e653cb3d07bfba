/** A day as a small picture: height and hatching say it too, not colour alone. */
import type { Cell } from './days';

const STRIPES = 'M-2 10 10-2M-2 18 18-2M-2 26 26-2M4 30 32 2M12 30 32 10M20 30 32 18';

export function CellPicture({ look, share }: Pick<Cell, 'look' | 'share'>) {
  return (
    <svg aria-hidden viewBox="0 0 24 28" preserveAspectRatio="none" className="block size-full">
      <Ground look={look} share={share} />
      {look === 'violated' && <Filled share={share} />}
    </svg>
  );
}

function Ground({ look, share }: Pick<Cell, 'look' | 'share'>) {
  const all = { width: 24, height: 28, rx: 3 };
  if (look === 'none') return <rect {...all} className="fill-sunken" />;
  if (look === 'violated') return <rect {...all} className="fill-bad-soft" />;
  if (look === 'compliant') return <rect {...all} className="fill-ok-mark" opacity={0.55} />;
  if (look === 'atRisk') {
    return (
      <>
        <rect {...all} className="fill-ok-mark" opacity={0.55} />
        <rect y={22} width={24} height={6} className="fill-warn-mark" />
      </>
    );
  }
  if (look === 'exempt') {
    return (
      <>
        <rect {...all} className="fill-info-soft" />
        <rect y={0} width={24} height={5} className="fill-info-mark" />
      </>
    );
  }
  const height = heightOf(share);
  return (
    <>
      <rect {...all} className="fill-sunken" />
      <svg y={28 - height} width={24} height={height}>
        <rect {...all} className="fill-unknown-soft" />
        <path d={STRIPES} className="stroke-unknown-mark" strokeWidth={2} fill="none" />
      </svg>
    </>
  );
}

/** A second is seen too: a quarter at least. */
const heightOf = (share: number) => 28 * Math.max(0.25, share);

function Filled({ share }: { share: number }) {
  const height = heightOf(share);
  return <rect y={28 - height} width={24} height={height} rx={2} className="fill-bad-mark" />;
}
