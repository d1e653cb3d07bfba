/** Kelp in a calm sea: long blades in the current, the holdfast gripping the rock. */
export function Kelp() {
  return (
    <svg
      aria-hidden
      viewBox="0 0 800 900"
      preserveAspectRatio="xMaxYMax slice"
      fill="none"
      className="absolute inset-0 size-full"
    >
      {RAYS.map((d) => (
        <path key={d} d={d} className="fill-surface opacity-50 dark:opacity-20" />
      ))}
      <g strokeLinecap="round" className="stroke-accent opacity-15">
        {FAR.map((d) => (
          <path key={d} d={d} strokeWidth="5" />
        ))}
      </g>
      <path d={ROCK} className="fill-accent-soft" />
      <path d={ROCK_NEAR} className="fill-accent opacity-15" />
      <g strokeLinecap="round" className="stroke-accent">
        <path d={STIPE} strokeWidth="7" />
        {HAPTERA.map((d) => (
          <path key={d} d={d} strokeWidth="6" />
        ))}
      </g>
      {BLADES.map(({ x, y, turn, size, shade }) => (
        <g
          key={y}
          transform={`translate(${x} ${y}) rotate(${turn}) scale(${size})`}
          opacity={shade}
        >
          <path d={BLADE} className="fill-ok-mark" />
          <path
            d="M18 0C70 -6 130 12 196 0"
            strokeWidth="1.5"
            className="stroke-surface opacity-40"
          />
          <ellipse cx="12" cy="0" rx="12" ry="8" className="fill-accent" />
        </g>
      ))}
    </svg>
  );
}

const RAYS = [
  'M470 0 L610 0 L330 900 L90 900Z',
  'M690 0 L740 0 L600 900 L480 900Z',
  'M230 0 L280 0 L60 660 L-50 660Z',
];
const FAR = [
  'M720 860C706 770 746 700 730 610S756 470 742 400',
  'M764 870C754 800 782 740 770 670S788 590 780 540',
  'M120 870C134 800 106 740 118 670S100 600 112 560',
  'M70 880C78 830 60 790 68 740',
];
const ROCK = 'M0 838C90 800 200 812 300 796S470 752 560 778 720 806 800 784V900H0Z';
const ROCK_NEAR = 'M300 900C350 846 430 816 540 806S690 826 740 860 780 890 790 900Z';
/** From the rock up and out of the picture: the surface is far above. */
const STIPE = 'M566 724C560 640 598 570 590 480S548 330 572 230 620 90 600 -20';
/** A blade along the x axis, its float at the stipe; wavy as kelp is. */
const BLADE =
  'M14 0C34 -26 62 -22 88 -26S146 -20 170 -22 214 -10 232 2C210 8 190 16 166 18S112 24 86 22 34 22 14 0Z';
const BLADES = [
  { x: 602, y: 40, turn: -24, size: 0.8, shade: 0.9 },
  { x: 606, y: 104, turn: 196, size: 0.85, shade: 0.55 },
  { x: 588, y: 186, turn: -14, size: 0.95, shade: 0.8 },
  { x: 570, y: 258, turn: 188, size: 0.95, shade: 0.6 },
  { x: 567, y: 334, turn: -10, size: 1, shade: 0.9 },
  { x: 582, y: 414, turn: 178, size: 0.9, shade: 0.65 },
  { x: 591, y: 486, turn: -4, size: 0.85, shade: 0.75 },
  { x: 586, y: 566, turn: 170, size: 0.75, shade: 0.6 },
] as const;
const HAPTERA = [
  'M566 712C563 764 534 772 502 784S462 816 456 846',
  'M566 712C569 764 598 772 630 784S670 816 676 846',
  'M566 712C564 776 544 792 530 812S518 842 516 862',
  'M566 712C568 776 588 792 602 812S614 842 616 862',
  'M566 720V866',
  'M520 777C498 778 484 790 470 788',
  'M612 777C634 778 648 790 662 788',
];
