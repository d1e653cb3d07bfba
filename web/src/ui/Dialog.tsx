import { X } from 'lucide-react';
import { AlertDialog as RadixAlert, Dialog as Radix } from 'radix-ui';
import { useState, type ReactNode } from 'react';
import { words } from '../words';
import { Button, IconButton } from './Button';
import { cx } from './cx';
import { TextField } from './Field';

const OVERLAY = 'fixed inset-0 z-40 animate-in bg-scrim';
const BOX =
  'fixed z-40 flex max-h-[min(90dvh,52rem)] animate-in flex-col rounded-xl border border-line bg-raised shadow-float outline-none';
const CENTRED =
  'inset-x-3 bottom-3 sm:max-h-[min(80dvh,52rem)] sm:inset-x-auto sm:bottom-auto sm:top-[12dvh] sm:left-1/2 sm:w-full sm:-translate-x-1/2';

/** To the first field, or to the dialog itself: its close button would show its tooltip. */
function focusFirst(event: Event): void {
  event.preventDefault();
  const box = event.currentTarget;
  if (!(box instanceof HTMLElement)) return;
  (box.querySelector<HTMLElement>('input, textarea, select, [data-autofocus]') ?? box).focus();
}

const WIDTHS = { sm: 'sm:max-w-md', md: 'sm:max-w-xl', lg: 'sm:max-w-3xl' } as const;

export interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What it is about, in a sentence. */
  about?: ReactNode;
  children: ReactNode;
  /** Buttons, the one that acts last. */
  footer?: ReactNode;
  width?: keyof typeof WIDTHS;
}

export function Dialog({
  open,
  onOpenChange,
  title,
  about,
  children,
  footer,
  width = 'md',
}: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content
          className={cx(BOX, CENTRED, WIDTHS[width])}
          onOpenAutoFocus={focusFirst}
          {...(about === undefined && { 'aria-describedby': undefined })}
        >
          <header className="flex items-start gap-3 border-b border-line px-5 py-3.5">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
              {about !== undefined && (
                <Radix.Description className="text-sm text-ink-2">{about}</Radix.Description>
              )}
            </div>
            <Radix.Close asChild>
              <IconButton icon={X} label={words.common.close} size="sm" />
            </Radix.Close>
          </header>
          <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto px-5 py-4">{children}</div>
          {footer !== undefined && (
            <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3.5">
              {footer}
            </footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface ConfirmProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What will happen, and what cannot be undone. */
  children: ReactNode;
  /** The verb on the button: "Delete", never "OK". */
  action: string;
  onConfirm: () => void;
  busy?: boolean;
  /** Only for what cannot be undone: this must be typed first. */
  typed?: string;
  tone?: 'danger' | 'primary';
}

/** Asks before an act. With `typed`, the name must be typed before it can be done. */
export function AlertDialog(props: ConfirmProps) {
  const { open, onOpenChange, title, children, action, onConfirm, typed } = props;
  const [text, setText] = useState('');
  const change = (next: boolean) => {
    if (!next) setText('');
    onOpenChange(next);
  };
  return (
    <RadixAlert.Root open={open} onOpenChange={change}>
      <RadixAlert.Portal>
        <RadixAlert.Overlay className={OVERLAY} />
        <RadixAlert.Content className={cx(BOX, CENTRED, WIDTHS.sm)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (typed === undefined || text === typed) onConfirm();
            }}
          >
            <div className="px-5 pt-4 pb-5">
              <RadixAlert.Title className="text-lg font-semibold">{title}</RadixAlert.Title>
              <RadixAlert.Description asChild>
                <div className="mt-1 space-y-3 text-ink-2">{children}</div>
              </RadixAlert.Description>
              {typed !== undefined && (
                <TextField
                  className="mt-4"
                  label={words.common.typeToConfirm(typed)}
                  value={text}
                  onChange={(event) => setText(event.target.value)}
                  autoComplete="off"
                  spellCheck={false}
                  mono
                />
              )}
            </div>
            <footer className="flex justify-end gap-2 border-t border-line px-5 py-3.5">
              <RadixAlert.Cancel asChild>
                <Button>{words.common.cancel}</Button>
              </RadixAlert.Cancel>
              <Button
                type="submit"
                variant={props.tone ?? 'danger'}
                busy={props.busy ?? false}
                disabled={typed !== undefined && text !== typed}
              >
                {action}
              </Button>
            </footer>
          </form>
        </RadixAlert.Content>
      </RadixAlert.Portal>
    </RadixAlert.Root>
  );
}

export interface SheetProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** Shown in the place of the title, which screen readers still hear. */
  heading?: ReactNode;
  side?: 'left' | 'right';
  children: ReactNode;
}

/** A panel from the side: navigation on phones, details beside a list. */
export function Sheet({
  open,
  onOpenChange,
  title,
  heading,
  side = 'right',
  children,
}: SheetProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content
          aria-describedby={undefined}
          onOpenAutoFocus={focusFirst}
          className={cx(
            'fixed inset-y-0 z-40 outline-none flex w-[min(100vw-2.5rem,28rem)] animate-slide flex-col border-line bg-raised shadow-float',
            side === 'left' ? 'left-0 max-w-72 border-r' : 'right-0 border-l',
          )}
        >
          <header className="flex h-14 shrink-0 items-center gap-3 px-4">
            <Radix.Title
              className={cx('text-lg font-semibold', heading !== undefined && 'sr-only')}
            >
              {title}
            </Radix.Title>
            <div className="flex-1">{heading}</div>
            <Radix.Close asChild>
              <IconButton icon={X} label={words.common.close} size="sm" />
            </Radix.Close>
          </header>
          <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto">{children}</div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
