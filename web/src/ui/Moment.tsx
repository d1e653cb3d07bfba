/**
 * A moment as everything else here writes one, `2026-02-03 02:41:07`, with the zone that is
 * meant beside it. The browser's own field shows each person another order of day and month
 * and tells no zone; of it we use the calendar alone.
 */
import { CalendarDays } from 'lucide-react';
import { useRef, useState } from 'react';
import { formatLocal, offsetOf, parseMoment, zoneOf } from '../format/time';
import { useNow } from '../live/now';
import { words } from '../words';
import { cx } from './cx';
import { CONTROL, Field, type FieldProps } from './Field';

const text = words.moment;

export interface MomentFieldProps extends FieldProps {
  /** Undefined while none is chosen. */
  value: Date | undefined;
  /** Told when it is whole: with Enter, on leaving it, and by the calendar. */
  onChoose: (value: Date | undefined) => void;
  /** Without them the field ends with minutes. */
  seconds?: boolean;
}

export function MomentField({ value, onChoose, seconds = false, ...field }: MomentFieldProps) {
  const [typed, setTyped] = useState<string>();
  const calendar = useRef<HTMLInputElement>(null);
  const now = useNow();
  const length = seconds ? 19 : 16;
  const shown = value === undefined ? '' : formatLocal(value).slice(0, length);
  const read = typed === undefined ? value : parseMoment(typed);
  const wrong = typed !== undefined && typed.trim() !== '' && read === undefined;
  const [left, setLeft] = useState(false);
  const zoned = read ?? new Date(now);

  const commit = () => {
    setLeft(true);
    if (typed === undefined || wrong) return;
    setTyped(undefined);
    if (typed.trim() !== shown) onChoose(read);
  };
  return (
    <Field {...field} error={wrong && left ? text.wrong : field.error}>
      {(ids) => (
        <span className="relative block">
          <input
            {...ids}
            type="text"
            inputMode="numeric"
            autoComplete="off"
            spellCheck={false}
            placeholder={seconds ? text.toSeconds : text.toMinutes}
            title={text.zone(zoneOf(zoned))}
            className={cx(CONTROL, 'num h-9 pr-[6.25rem]')}
            value={typed ?? shown}
            onChange={({ target }) => {
              setTyped(target.value);
              setLeft(false);
            }}
            onBlur={commit}
            onKeyDown={({ key }) => key === 'Enter' && commit()}
          />
          <span className="absolute inset-y-0 right-1 flex items-center gap-0.5">
            <span className="num text-xs whitespace-nowrap text-ink-3">{offsetOf(zoned)}</span>
            <button
              type="button"
              aria-label={text.calendar}
              onClick={() => calendar.current?.showPicker()}
              className="flex size-7 items-center justify-center rounded-md text-ink-2 hover:bg-hover hover:text-ink"
            >
              <CalendarDays aria-hidden className="size-4" />
            </button>
          </span>
          <input
            ref={calendar}
            type="datetime-local"
            step={seconds ? 1 : undefined}
            tabIndex={-1}
            aria-hidden
            className="pointer-events-none absolute right-1 bottom-0 size-0 opacity-0"
            value={shown.replace(' ', 'T')}
            onChange={({ target }) => {
              setTyped(undefined);
              const chosen = parseMoment(target.value);
              if (chosen !== undefined) onChoose(chosen);
            }}
          />
        </span>
      )}
    </Field>
  );
}
