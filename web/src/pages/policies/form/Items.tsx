/** A list in the document, an item a card: schedules, copies, drills. */
import { Plus, Trash2 } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button, IconButton } from '../../../ui/Button';
import { words } from '../../../words';
import { valueAt, type Path } from '../../../yaml/twin';
import { useForm } from './fields';

const text = words.policies.form;

export function Items({
  path,
  add,
  fresh,
  titleOf,
  children,
}: {
  path: Path;
  /** What the button says. */
  add: string;
  /** What a new one says. */
  fresh: (number: number) => unknown;
  titleOf: (item: unknown, index: number) => string;
  children: (path: Path, item: unknown) => ReactNode;
}) {
  const form = useForm();
  const found = valueAt(form.value, path);
  const items: unknown[] = Array.isArray(found) ? found : [];
  return (
    <div className="space-y-3">
      {items.map((item, index) => {
        const title = titleOf(item, index);
        return (
          <section
            key={index}
            aria-label={title}
            className="rounded-lg border border-line bg-sunken p-3"
          >
            <header className="mb-2 flex items-center gap-2">
              <h3 className="flex-1 truncate font-medium">{title}</h3>
              <IconButton
                icon={Trash2}
                size="sm"
                label={text.remove(title)}
                disabled={form.disabled}
                onClick={() => form.set([...path, index], undefined)}
              />
            </header>
            {children([...path, index], item)}
          </section>
        );
      })}
      <Button
        size="sm"
        icon={Plus}
        disabled={form.disabled}
        onClick={() => form.set([...path, items.length], fresh(items.length + 1))}
      >
        {add}
      </Button>
    </div>
  );
}

/** Fields of an item that only the YAML shows. */
export function Besides({ item, known }: { item: unknown; known: readonly string[] }) {
  const fields = Object.keys(typeof item === 'object' && item !== null ? item : {}).filter(
    (key) => !known.includes(key),
  );
  if (fields.length === 0) return null;
  return <p className="mt-2 text-sm text-ink-3">{text.also(fields.join(', '))}</p>;
}
