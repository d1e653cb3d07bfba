/**
 * A textarea for YAML with line numbers, colours and marks at lines that are wrong. It
 * stays the platform's own textarea, so every keyboard, screen reader and phone can
 * write in it; the colours lie behind it. Tab leaves it, as everywhere else.
 */
import { CircleAlert } from 'lucide-react';
import { useId, useImperativeHandle, useRef, type KeyboardEvent, type Ref } from 'react';
import { cx } from '../ui/cx';
import { words } from '../words';
import { YamlLine } from './YamlView';

const text = words.yaml.editor;

export interface LineMark {
  line: number | undefined;
  message: string;
  /** The path of the field, where it is about one. */
  field?: string | undefined;
}

export interface YamlEditorHandle {
  toLine: (line: number) => void;
}

/** The same measures for what is written and for what is coloured behind it. */
const SHEET =
  'm-0 block w-full min-w-max border-0 bg-transparent py-3 pr-4 pl-14 font-mono text-[0.8125rem] leading-[1.375rem] whitespace-pre';

export function YamlEditor({
  label,
  value,
  onChange,
  marks,
  disabled = false,
  handle,
  className,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  marks: readonly LineMark[];
  disabled?: boolean;
  handle?: Ref<YamlEditorHandle>;
  className?: string;
}) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const lines = value.split('\n');
  const wrong = new Set(marks.map(({ line }) => line));
  const toLine = (line: number) => {
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.current?.focus();
    area.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  useImperativeHandle(handle, () => ({ toLine }));
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // A new line begins where the one before did.
    if (event.key !== 'Enter' || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { selectionStart, value: now } = event.currentTarget;
    const line = now.slice(now.lastIndexOf('\n', selectionStart - 1) + 1, selectionStart);
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const deeper = /:\s*$/.test(line) ? `${indent}  ` : indent;
    if (deeper === '') return;
    event.preventDefault();
    // It keeps the browser's own undo.
    document.execCommand('insertText', false, `\n${deeper}`);
  };
  return (
    <div className={cx('flex min-w-0 flex-col', className)}>
      <label htmlFor={id} className="sr-only">
        {label}
      </label>
      <div
        className={cx(
          'scroll-quiet relative min-h-64 flex-1 overflow-auto rounded-lg border bg-sunken focus-within:outline-2 focus-within:outline-focus',
          marks.length > 0 ? 'border-bad' : 'border-line-strong',
        )}
      >
        <div className="relative grid min-h-full min-w-max">
          <pre aria-hidden className={cx(SHEET, 'pointer-events-none [grid-area:1/1]')}>
            {lines.map((line, index) => (
              <span
                key={index}
                className={cx(
                  '-ml-14 block min-h-[1.375rem] pl-14',
                  wrong.has(index + 1) && 'bg-bad-soft',
                )}
              >
                <span
                  className={cx(
                    'num -ml-14 inline-block w-11 text-right select-none',
                    wrong.has(index + 1) ? 'font-semibold text-bad' : 'text-ink-3',
                  )}
                >
                  {index + 1}
                </span>
                <span className="inline-block w-3" />
                <YamlLine line={line} />
              </span>
            ))}
          </pre>
          <textarea
            ref={area}
            id={id}
            value={value}
            disabled={disabled}
            spellCheck={false}
            autoCapitalize="off"
            autoCorrect="off"
            wrap="off"
            aria-invalid={marks.length > 0 || undefined}
            aria-describedby={marks.length > 0 ? `${id}-marks` : undefined}
            onKeyDown={onKeyDown}
            onChange={(event) => onChange(event.target.value)}
            className={cx(
              SHEET,
              'h-full resize-none overflow-hidden text-transparent caret-ink outline-none [grid-area:1/1] selection:bg-accent/25 selection:text-transparent',
            )}
          />
        </div>
      </div>
      {marks.length > 0 && (
        <ul id={`${id}-marks`} className="mt-2 space-y-1">
          {marks.map(({ line, message, field }, index) => (
            <li key={index} className="flex items-start gap-1.5 text-sm text-bad">
              <CircleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
              <span className="min-w-0">
                {line !== undefined && (
                  <button
                    type="button"
                    onClick={() => toLine(line)}
                    className="mr-1.5 rounded-sm font-semibold underline underline-offset-2"
                  >
                    {text.line(line)}
                  </button>
                )}
                {field !== undefined && <code className="mr-1.5 text-xs">{field}</code>}
                {message}
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
