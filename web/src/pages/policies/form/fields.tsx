/** Fields of the form, each tied to a path of the document. What is empty is not written. */
import { createContext, useContext, type ReactNode } from 'react';
import { Combobox } from '../../../ui/Combobox';
import { Select, TextField, type Option } from '../../../ui/Field';
import { words } from '../../../words';
import { valueAt, writePath, type Path } from '../../../yaml/twin';

const text = words.policies.form;

export interface FormState {
  value: unknown;
  set: (path: Path, value: unknown) => void;
  /** What is wrong with the field at a path, as the control plane or the shape says. */
  faultAt: (field: string) => string | undefined;
  disabled: boolean;
}

const FormContext = createContext<FormState | undefined>(undefined);
export const FormProvider = FormContext.Provider;

export function useForm(): FormState {
  const form = useContext(FormContext);
  if (form === undefined) throw new Error('a field outside of its form');
  return form;
}

interface FieldProps {
  path: Path;
  label: string;
  help?: string;
  className?: string;
}

/** A label has no need to be seen twice in rows that repeat. */
interface Hidden {
  labelHidden?: boolean;
}

function useField(path: Path) {
  const form = useForm();
  const field = writePath(path);
  const found = valueAt(form.value, path);
  return {
    text: found === undefined || found === null ? '' : String(found),
    set: (value: unknown) => form.set(path, value === '' ? undefined : value),
    fault: form.faultAt(field),
    disabled: form.disabled,
    mark: { 'data-path': field },
  };
}

export function Text({
  path,
  label,
  help,
  className,
  labelHidden,
  duration = false,
  placeholder,
}: FieldProps & Hidden & { duration?: boolean; placeholder?: string }) {
  const field = useField(path);
  const wrong =
    duration && field.text !== '' && !/^\d+(ms|s|m|h|d|w)$/.test(field.text)
      ? text.duration
      : undefined;
  return (
    <TextField
      {...{ label, help, className, labelHidden, placeholder }}
      value={field.text}
      error={wrong ?? field.fault}
      disabled={field.disabled}
      spellCheck={false}
      autoComplete="off"
      onChange={({ target }) => field.set(target.value)}
      {...field.mark}
    />
  );
}

export function Whole({ path, label, help, className, labelHidden }: FieldProps & Hidden) {
  const field = useField(path);
  const wrong = field.text !== '' && !/^-?\d+$/.test(field.text) ? text.number : undefined;
  return (
    <TextField
      {...{ label, help, className, labelHidden }}
      value={field.text}
      inputMode="numeric"
      error={wrong ?? field.fault}
      disabled={field.disabled}
      autoComplete="off"
      onChange={({ target: { value } }) => field.set(/^-?\d+$/.test(value) ? Number(value) : value)}
      {...field.mark}
    />
  );
}

export function Choice({
  path,
  label,
  help,
  className,
  options,
}: FieldProps & { options: Record<string, string> }) {
  const field = useField(path);
  const choices: Option[] = Object.entries(options).map(([value, text]) => ({ value, text }));
  // What the form does not know stays as it was written.
  if (!choices.some(({ value }) => value === field.text)) {
    choices.unshift({ value: field.text, text: field.text === '' ? text.choose : field.text });
  }
  return (
    <Select
      {...{ label, help, className }}
      value={field.text}
      options={choices}
      error={field.fault}
      disabled={field.disabled}
      onValueChange={field.set}
      {...field.mark}
    />
  );
}

export function Named({
  path,
  label,
  help,
  className,
  names,
}: FieldProps & { names: readonly string[] }) {
  const field = useField(path);
  return (
    <div data-path={writePath(path)} className={className}>
      <Combobox
        {...{ label, help }}
        free
        value={field.text === '' ? undefined : field.text}
        error={field.fault}
        options={names.map((value) => ({ value, text: value }))}
        onChange={field.set}
      />
    </div>
  );
}

export function Section({
  title,
  about,
  actions,
  children,
}: {
  title: string;
  about: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <fieldset className="min-w-0 border-t border-line py-4 first:border-0 first:pt-0">
      <legend className="float-left mb-3 w-full">
        <span className="block text-base font-semibold">{title}</span>
        <span className="block text-sm text-ink-3">{about}</span>
      </legend>
      <div className="clear-both space-y-3">
        {children}
        {actions}
      </div>
    </fieldset>
  );
}
