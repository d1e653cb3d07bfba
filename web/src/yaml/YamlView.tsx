/** YAML to be read: coloured, with line numbers, to be copied. */
import { cx } from '../ui/cx';
import { CopyButton } from '../ui/Code';
import { words } from '../words';
import { partsOf, type YamlPart } from './highlight';

const LOOKS: Record<YamlPart['kind'], string> = {
  key: 'text-accent',
  mark: 'text-ink-3',
  comment: 'text-ink-3 italic',
  text: 'text-ink',
  plain: 'text-ink',
};

export function YamlLine({ line }: { line: string }) {
  return partsOf(line).map(({ kind, text }, index) => (
    <span key={index} className={LOOKS[kind]}>
      {text}
    </span>
  ));
}

export function YamlView({
  text,
  label,
  className,
}: {
  text: string;
  label: string;
  className?: string;
}) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div className={cx('relative rounded-lg border border-line bg-sunken', className)}>
      <pre
        tabIndex={0}
        aria-label={label}
        className="scroll-quiet overflow-x-auto py-3 pr-12 text-[0.8125rem] leading-[1.375rem]"
      >
        <code className="grid grid-cols-[auto_1fr]">
          {lines.map((line, index) => (
            <span key={index} className="col-span-2 grid grid-cols-subgrid">
              <span aria-hidden className="num w-12 pr-3 text-right text-ink-3 select-none">
                {index + 1}
              </span>
              <span className="whitespace-pre">
                <YamlLine line={line} />
                {'\n'}
              </span>
            </span>
          ))}
        </code>
      </pre>
      <div className="absolute top-2 right-2 rounded-md bg-sunken">
        <CopyButton text={text} label={words.common.copy(label)} />
      </div>
    </div>
  );
}
