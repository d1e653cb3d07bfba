/**
 * A text field with a list to choose from (the combobox pattern of ARIA): for fleets,
 * clusters, labels. What is typed may be kept as it is when `free`.
 */
import { Check, ChevronDown, X } from 'lucide-react';
import { Popover } from 'radix-ui';
import { useId, useRef, useState, type KeyboardEvent } from 'react';
import { words } from '../words';
import { cx } from './cx';
import { CONTROL, Field, type FieldProps, type Option } from './Field';

/** More are found by typing. */
const SHOWN = 100;

export interface ComboboxProps extends FieldProps {
  value: string | undefined;
  options: readonly Option[];
  onChange: (value: string | undefined) => void;
  placeholder?: string;
  /** Whether what is typed counts without being in the list. */
  free?: boolean;
}

export function Combobox({
  label,
  help,
  error,
  labelHidden,
  className,
  value,
  options,
  onChange,
  placeholder,
  free = false,
}: ComboboxProps) {
  const [typed, setTyped] = useState<string>();
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const chosen = options.find((option) => option.value === value);
  const sought = (typed ?? '').trim().toLowerCase();
  const found = options.filter(({ text }) => text.toLowerCase().includes(sought)).slice(0, SHOWN);

  const close = () => {
    setOpen(false);
    setTyped(undefined);
  };
  const choose = (option: Option | undefined) => {
    if (option !== undefined) onChange(option.value);
    else if (free && sought !== '') onChange(typed?.trim());
    close();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setActive((now) => (open ? Math.max(0, Math.min(found.length - 1, now + step)) : 0));
    } else if (event.key === 'Enter' && open) {
      event.preventDefault();
      choose(found[active]);
    } else if (event.key === 'Escape' && open) {
      event.stopPropagation();
      close();
    }
  };
  return (
    <Field {...{ label, help, error, labelHidden, className }}>
      {(ids) => (
        <Popover.Root open={open} onOpenChange={(next) => (next ? setOpen(true) : close())}>
          <Popover.Anchor className="relative">
            <input
              ref={input}
              role="combobox"
              aria-expanded={open}
              aria-controls={list}
              aria-autocomplete="list"
              aria-activedescendant={open && found[active] ? `${list}-${active}` : undefined}
              autoComplete="off"
              spellCheck={false}
              placeholder={placeholder}
              value={typed ?? chosen?.text ?? value ?? ''}
              onChange={(event) => {
                setTyped(event.target.value);
                setActive(0);
                setOpen(true);
              }}
              onClick={() => setOpen(true)}
              onBlur={close}
              onKeyDown={onKeyDown}
              className={cx(CONTROL, 'h-9 pr-8')}
              {...ids}
            />
            {value === undefined ? (
              <ChevronDown
                aria-hidden
                className="pointer-events-none absolute top-2.5 right-2.5 size-4 text-ink-3"
              />
            ) : (
              <button
                type="button"
                aria-label={words.common.clear(label)}
                onClick={() => onChange(undefined)}
                className="absolute top-1.5 right-1.5 flex size-6 items-center justify-center rounded-sm text-ink-3 hover:bg-hover hover:text-ink"
              >
                <X aria-hidden className="size-4" />
              </button>
            )}
          </Popover.Anchor>
          <Popover.Portal>
            <Popover.Content
              onOpenAutoFocus={(event) => event.preventDefault()}
              onInteractOutside={(event) =>
                input.current?.contains(event.target as Node) === true && event.preventDefault()
              }
              sideOffset={4}
              className="scroll-quiet z-50 max-h-72 w-(--radix-popover-trigger-width) min-w-48 animate-in overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-float"
            >
              <ul id={list} role="listbox" aria-label={label}>
                {found.map((option, index) => (
                  <li
                    key={option.value}
                    id={`${list}-${index}`}
                    role="option"
                    aria-selected={option.value === value}
                    onMouseDown={(event) => event.preventDefault()}
                    onClick={() => choose(option)}
                    onMouseEnter={() => setActive(index)}
                    className={cx(
                      'flex h-8 cursor-pointer items-center gap-2 rounded-sm px-2.5',
                      index === active && 'bg-hover',
                    )}
                  >
                    <span className="min-w-0 flex-1 truncate">{option.text}</span>
                    {option.value === value && <Check aria-hidden className="size-4 text-accent" />}
                  </li>
                ))}
              </ul>
              {found.length === 0 && (
                <p className="px-2.5 py-1.5 text-sm text-ink-3">
                  {free && sought !== ''
                    ? words.common.useTyped(typed ?? '')
                    : words.common.noMatch}
                </p>
              )}
            </Popover.Content>
          </Popover.Portal>
        </Popover.Root>
      )}
    </Field>
  );
}
