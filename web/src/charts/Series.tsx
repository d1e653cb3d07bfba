/**
 * Series over time, drawn by uPlot in the colours of the theme. A picture alone is for
 * eyes: `summary` says the same in a sentence, and hovering tells each value.
 */
import { useEffect, useMemo, useRef } from 'react';
import UPlot, { type AlignedData, type Options } from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useShownTheme } from '../theme/theme';
import { formatLocal } from '../format/time';
import { cx } from '../ui/cx';
import { words } from '../words';
import { tellTick } from './scale';

export interface SeriesLine {
  text: string;
  /** A token of the theme, such as `accent` or `bad-mark`. */
  color: string;
  values: readonly (number | null)[];
  /** A bound to compare with, such as a target: dashed, and nothing under it is filled. */
  bound?: boolean;
}

export interface SeriesProps {
  /** What it shows: its name. */
  label: string;
  /** What it says, in a sentence. */
  summary: string;
  /** Milliseconds since 1970, ascending. */
  times: readonly number[];
  lines: readonly SeriesLine[];
  /** How a value is told: bytes, seconds. */
  format: (value: number) => string;
  height?: number;
  className?: string;
}

const FEW = 40;
const FONT = '11px "Hanken Grotesk Variable", sans-serif';

export function Series({
  label,
  summary,
  times,
  lines,
  format,
  height = 180,
  className,
}: SeriesProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const theme = useShownTheme();
  const data = useMemo<AlignedData>(
    () => [times.map((time) => time / 1000), ...lines.map(({ values }) => [...values])],
    [times, lines],
  );
  // Values change often; the picture is made anew only when it looks different.
  const looks = lines.map(({ text, color }) => `${text}:${color}`).join('|');
  const latest = useRef({ data, lines, format });
  useEffect(() => {
    latest.current = { data, lines, format };
    plot.current?.setData(data);
  }, [data, lines, format]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const token = (name: string) =>
      getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const options = optionsOf(latest.current, token, element.clientWidth, height);
    const made = new UPlot(options, latest.current.data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [height, looks, theme]);
  return (
    <figure
      aria-label={label}
      className={cx('m-0 [&_.u-legend]:font-sans [&_.u-legend]:text-xs', className)}
    >
      <div ref={box} aria-hidden style={{ minHeight: height }} />
      <figcaption className="sr-only">{summary}</figcaption>
    </figure>
  );
}

const tellTime = (at: number, step: number) => tellTick(at * 1000, step * 1000).text;

function optionsOf(
  { lines, format }: Pick<SeriesProps, 'lines' | 'format'>,
  token: (name: string) => string,
  width: number,
  height: number,
): Options {
  const axis = {
    stroke: token('ink-3'),
    font: FONT,
    grid: { stroke: token('line'), width: 1 },
    ticks: { show: false },
  };
  const tell = (_: unknown, value: number | null) => (value === null ? '–' : format(value));
  return {
    width,
    height,
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_, times, __, ___, step) => times.map((at) => tellTime(at, step)),
      },
      { ...axis, size: 64, values: (_, values) => values.map(format) },
    ],
    series: [
      {
        label: words.common.time,
        value: (_, at) => (at === null ? '–' : formatLocal(new Date(at * 1000))),
      },
      ...lines.map(({ text, color, values, bound = false }) => ({
        label: text,
        stroke: token(color),
        width: 1.75,
        ...(bound ? { dash: [6, 5] } : { fill: `${token(color)}1c` }),
        // A few are seen as what they are; many are a line.
        points: { show: !bound && values.length <= FEW, size: 6 },
        value: tell,
      })),
    ],
  };
}
