/** Two documents against each other: what went with −, what came with +. */
import { useMemo } from 'react';
import { cx } from '../ui/cx';
import { words } from '../words';
import { diffLines, hunksOf } from './diff';
import { YamlLine } from './YamlView';

const text = words.yaml.diff;
const SIGNS = { same: ' ', gone: '−', new: '+' } as const;

export function DiffView({
  before,
  after,
  label,
  className,
}: {
  before: string;
  after: string;
  label: string;
  className?: string;
}) {
  const hunks = useMemo(() => hunksOf(diffLines(before, after)), [before, after]);
  if (hunks.length === 0) return <p className="text-ink-2">{text.same}</p>;
  return (
    <div
      tabIndex={0}
      role="region"
      aria-label={label}
      className={cx(
        'scroll-quiet overflow-auto rounded-lg border border-line bg-sunken font-mono text-[0.8125rem] leading-[1.375rem]',
        className,
      )}
    >
      <div className="min-w-max py-1.5">
        {hunks.map(({ lines, skipped }, index) => (
          <div key={index}>
            {skipped > 0 && <p className="px-3 text-xs text-ink-3">{text.skipped(skipped)}</p>}
            {lines.map((line, row) => (
              <div
                key={row}
                className={cx(
                  'grid grid-cols-[2.25rem_2.25rem_1.25rem_1fr] pr-3',
                  line.kind === 'gone' && 'bg-bad-soft',
                  line.kind === 'new' && 'bg-ok-soft',
                )}
              >
                <LineNumber at={line.before} />
                <LineNumber at={line.after} />
                <span
                  className={cx(
                    'text-center select-none',
                    line.kind === 'gone' && 'text-bad',
                    line.kind === 'new' && 'text-ok',
                  )}
                >
                  <span aria-hidden>{SIGNS[line.kind]}</span>
                  {line.kind !== 'same' && <span className="sr-only">{text[line.kind]}</span>}
                </span>
                <span className="whitespace-pre text-ink">
                  {line.kind === 'same' ? <YamlLine line={line.text} /> : line.text}
                </span>
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function LineNumber({ at }: { at: number | undefined }) {
  return (
    <span aria-hidden className="num pr-2 text-right text-ink-2 select-none">
      {at}
    </span>
  );
}
