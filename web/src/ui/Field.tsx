/** Fields of forms: a label, help under it, the error in its place; all tied by id. */
import { ChevronDown, CircleAlert } from 'lucide-react';
import { useId, type ComponentProps, type ReactNode } from 'react';
import { cx } from './cx';

export interface FieldProps {
  label: string;
  /** What it means, or an example. */
  help?: ReactNode | undefined;
  error?: string | undefined;
  /** Only screen readers need the label where the place says it. */
  labelHidden?: boolean | undefined;
  className?: string | undefined;
}

interface Ids {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
}

/** Lays out any control; gives it the ids that tie label, help and error to it. */
export function Field({
  label,
  help,
  error,
  labelHidden,
  className,
  children,
}: FieldProps & { children: (ids: Ids) => ReactNode }) {
  const id = useId();
  const said = [help !== undefined && `${id}-help`, error !== undefined && `${id}-error`];
  const describedBy = said.filter((part) => part !== false).join(' ');
  return (
    <div className={cx('flex flex-col gap-1', className)}>
      <label
        htmlFor={id}
        className={cx('text-sm font-medium text-ink', labelHidden === true && 'sr-only')}
      >
        {label}
      </label>
      {children({
        id,
        'aria-describedby': describedBy === '' ? undefined : describedBy,
        'aria-invalid': error === undefined ? undefined : true,
      })}
      {help !== undefined && (
        <p id={`${id}-help`} className="text-sm text-ink-3">
          {help}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} className="flex items-center gap-1 text-sm font-medium text-bad">
          <CircleAlert aria-hidden className="size-3.5 shrink-0" />
          {error}
        </p>
      )}
    </div>
  );
}

export const CONTROL =
  'w-full rounded-md border border-line-strong bg-surface px-3 text-base text-ink shadow-lift placeholder:text-ink-3 hover:border-ink-3 aria-invalid:border-bad disabled:bg-sunken disabled:text-ink-3 focus-visible:outline-offset-0';

export type TextFieldProps = FieldProps & ComponentProps<'input'> & { mono?: boolean };

export function TextField({
  label,
  help,
  error,
  labelHidden,
  className,
  mono,
  ...input
}: TextFieldProps) {
  return (
    <Field {...{ label, help, error, labelHidden, className }}>
      {(ids) => (
        <input
          type="text"
          className={cx(CONTROL, 'h-9', mono === true && 'font-mono text-sm')}
          {...ids}
          {...input}
        />
      )}
    </Field>
  );
}

export type TextAreaProps = FieldProps & ComponentProps<'textarea'> & { mono?: boolean };

export function TextArea({
  label,
  help,
  error,
  labelHidden,
  className,
  mono,
  ...input
}: TextAreaProps) {
  return (
    <Field {...{ label, help, error, labelHidden, className }}>
      {(ids) => (
        <textarea
          rows={4}
          className={cx(CONTROL, 'py-2', mono === true && 'font-mono text-sm')}
          {...ids}
          {...input}
        />
      )}
    </Field>
  );
}

export interface Option<T extends string = string> {
  value: T;
  text: string;
}

export type SelectProps<T extends string> = FieldProps &
  Omit<ComponentProps<'select'>, 'value' | 'onChange'> & {
    value: T;
    options: readonly Option<T>[];
    onValueChange: (value: T) => void;
  };

/**
 * The platform's own select: it works with every keyboard, screen reader and phone.
 * (Radix's writes a <style> element, which the content security policy forbids.)
 */
export function Select<T extends string>({
  label,
  help,
  error,
  labelHidden,
  className,
  options,
  onValueChange,
  ...select
}: SelectProps<T>) {
  return (
    <Field {...{ label, help, error, labelHidden, className }}>
      {(ids) => (
        <span className="relative block">
          <select
            className={cx(CONTROL, 'h-9 appearance-none pr-8')}
            {...ids}
            {...select}
            onChange={(event) => {
              const chosen = options.find(({ value }) => value === event.target.value);
              if (chosen !== undefined) onValueChange(chosen.value);
            }}
          >
            {options.map(({ value, text }) => (
              <option key={value} value={value} className="bg-raised text-ink">
                {text}
              </option>
            ))}
          </select>
          <ChevronDown
            aria-hidden
            className="pointer-events-none absolute top-2.5 right-2.5 size-4 text-ink-3"
          />
        </span>
      )}
    </Field>
  );
}
