import { Check, type LucideIcon } from 'lucide-react';
import { DropdownMenu as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { cx } from './cx';

const ITEM =
  'flex h-8 select-none items-center gap-2.5 rounded-sm px-2.5 text-base text-ink outline-none data-[disabled]:text-ink-3 data-[highlighted]:bg-hover';

export function Menu({
  trigger,
  align = 'end',
  children,
}: {
  /** One button. */
  trigger: ReactNode;
  align?: 'start' | 'end';
  children: ReactNode;
}) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 min-w-52 animate-in rounded-lg border border-line bg-raised p-1 shadow-float"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function MenuItem({
  icon: Icon,
  tone,
  children,
  onSelect,
  disabled = false,
}: {
  icon?: LucideIcon;
  tone?: 'danger';
  children: ReactNode;
  onSelect: () => void;
  disabled?: boolean;
}) {
  return (
    <Radix.Item
      className={cx(ITEM, tone === 'danger' && 'text-bad')}
      onSelect={onSelect}
      disabled={disabled}
    >
      {Icon !== undefined && <Icon aria-hidden className="size-4 shrink-0 opacity-80" />}
      {children}
    </Radix.Item>
  );
}

export function MenuChoices<T extends string>({
  label,
  value,
  choices,
  onChange,
}: {
  label: string;
  value: T;
  choices: readonly { value: T; text: string; icon?: LucideIcon }[];
  onChange: (value: T) => void;
}) {
  return (
    <>
      <MenuLabel>{label}</MenuLabel>
      <Radix.RadioGroup value={value}>
        {choices.map(({ value: each, text, icon: Icon }) => (
          <Radix.RadioItem key={each} value={each} className={ITEM} onSelect={() => onChange(each)}>
            {Icon !== undefined && <Icon aria-hidden className="size-4 shrink-0 opacity-80" />}
            <span className="flex-1">{text}</span>
            <Radix.ItemIndicator>
              <Check aria-hidden className="size-4 text-accent" />
            </Radix.ItemIndicator>
          </Radix.RadioItem>
        ))}
      </Radix.RadioGroup>
    </>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-medium text-ink-3">
      {children}
    </Radix.Label>
  );
}

export function MenuSeparator() {
  return <Radix.Separator className="my-1 h-px bg-line" />;
}
