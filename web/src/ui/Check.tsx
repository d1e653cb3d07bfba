import { Check, Minus } from 'lucide-react';
import { Checkbox as RadixCheckbox, Switch as RadixSwitch } from 'radix-ui';
import { useId, type ReactNode } from 'react';
import { cx } from './cx';

interface Props {
  label: string;
  labelHidden?: boolean;
  help?: ReactNode;
  disabled?: boolean;
}

export function Checkbox({
  label,
  labelHidden = false,
  help,
  checked,
  onChange,
  disabled = false,
}: Props & { checked: boolean | 'indeterminate'; onChange: (checked: boolean) => void }) {
  const id = useId();
  return (
    <Row {...{ id, label, labelHidden, help }}>
      <RadixCheckbox.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={(next) => onChange(next === true)}
        className="mt-0.5 flex size-[1.125rem] shrink-0 items-center justify-center rounded-sm border border-line-strong bg-surface text-on-accent hover:border-ink-3 data-[state=checked]:border-accent data-[state=checked]:bg-accent data-[state=indeterminate]:border-accent data-[state=indeterminate]:bg-accent"
      >
        <RadixCheckbox.Indicator>
          {checked === 'indeterminate' ? (
            <Minus aria-hidden className="size-3.5" strokeWidth={3} />
          ) : (
            <Check aria-hidden className="size-3.5" strokeWidth={3} />
          )}
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
    </Row>
  );
}

export function Switch({
  label,
  labelHidden = false,
  help,
  checked,
  onChange,
  disabled = false,
}: Props & { checked: boolean; onChange: (checked: boolean) => void }) {
  const id = useId();
  return (
    <Row {...{ id, label, labelHidden, help }}>
      <RadixSwitch.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={onChange}
        className="relative h-5 w-9 shrink-0 rounded-full bg-idle-mark transition-colors data-[state=checked]:bg-accent"
      >
        <RadixSwitch.Thumb className="block size-4 translate-x-0.5 rounded-full bg-surface shadow-lift transition-transform data-[state=checked]:translate-x-[1.125rem]" />
      </RadixSwitch.Root>
    </Row>
  );
}

function Row({
  id,
  label,
  labelHidden,
  help,
  children,
}: {
  id: string;
  label: string;
  labelHidden: boolean;
  help: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="flex items-start gap-2.5">
      {children}
      <div className={cx(labelHidden && 'sr-only')}>
        <label htmlFor={id} className="text-base">
          {label}
        </label>
        {help !== undefined && <p className="text-sm text-ink-3">{help}</p>}
      </div>
    </div>
  );
}
