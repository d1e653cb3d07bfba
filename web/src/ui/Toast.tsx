/** Short notes on what was done or failed. `toast(…)` from anywhere; one place shows them. */
import { X } from 'lucide-react';
import { Toast as Radix } from 'radix-ui';
import { useSyncExternalStore, type ReactNode } from 'react';
import { words } from '../words';
import { TONE_ICONS, TONE_TEXT, type Tone } from './Badge';
import { IconButton } from './Button';
import { cx } from './cx';

interface Note {
  id: number;
  tone: Tone;
  title: string;
  /** What there is besides: a sentence, a link. */
  more?: ReactNode;
}

let notes: readonly Note[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(changed: readonly Note[]): void {
  notes = changed;
  for (const listener of listeners) listener();
}

export function toast(note: Omit<Note, 'id'>): void {
  // A screen has room for a few; the oldest goes.
  set([...notes.slice(-3), { ...note, id: next++ }]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => notes);
  return (
    <Radix.Provider label={words.common.notification} duration={6000}>
      {shown.map((note) => {
        const Icon = TONE_ICONS[note.tone];
        return (
          <Radix.Root
            key={note.id}
            type={note.tone === 'bad' ? 'foreground' : 'background'}
            // What failed stays until it was read.
            {...(note.tone === 'bad' && { duration: Infinity })}
            onOpenChange={(open) => open || set(notes.filter(({ id }) => id !== note.id))}
            className="flex animate-in items-start gap-3 rounded-lg border border-line bg-raised p-3.5 shadow-float"
          >
            <Icon
              aria-hidden
              className={cx('mt-0.5 size-[1.125rem] shrink-0', TONE_TEXT[note.tone])}
            />
            <div className="min-w-0 flex-1">
              <Radix.Title className="font-medium">{note.title}</Radix.Title>
              {note.more !== undefined && (
                <Radix.Description asChild>
                  <div className="text-sm text-ink-2">{note.more}</div>
                </Radix.Description>
              )}
            </div>
            <Radix.Close asChild>
              <IconButton icon={X} label={words.common.close} size="sm" className="-m-1" />
            </Radix.Close>
          </Radix.Root>
        );
      })}
      <Radix.Viewport className="fixed right-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2 outline-none" />
    </Radix.Provider>
  );
}
