/** Labels of a selector: a row each. Rows without a name are kept here until they have one. */
import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { Badge } from '../../../ui/Badge';
import { Button, IconButton } from '../../../ui/Button';
import { TextField } from '../../../ui/Field';
import { words } from '../../../words';
import { valueAt, writePath, type Path } from '../../../yaml/twin';
import { useForm } from './fields';

const text = words.policies.form;
type Row = readonly [string, string];

export function Labels({ path }: { path: Path }) {
  const form = useForm();
  const found = rowsOf(valueAt(form.value, path));
  const [rows, setRows] = useState<readonly Row[]>(found);
  // The YAML says something else than these rows: it counts.
  const shown = same(found, rows) ? rows : found;
  const change = (next: readonly Row[]) => {
    setRows(next);
    form.set(path, Object.fromEntries(next.filter(([key]) => key !== '')));
  };
  const put = (index: number, row: Row) =>
    change(shown.map((each, at) => (at === index ? row : each)));
  const fault = form.faultAt(writePath(path));
  return (
    <div className="space-y-2" data-path={writePath(path)}>
      <p className="text-sm font-medium">{text.selector}</p>
      {shown.length === 0 && (
        <p className="flex flex-wrap items-center gap-2">
          <Badge tone="info">{text.selectorAll}</Badge>
          <span className="text-sm text-ink-3">{text.selectorHelp}</span>
        </p>
      )}
      {shown.map(([key, value], index) => (
        <div key={index} className="flex items-start gap-2">
          <TextField
            label={text.key}
            labelHidden
            placeholder={text.key}
            className="min-w-0 flex-1"
            value={key}
            disabled={form.disabled}
            spellCheck={false}
            onChange={({ target }) => put(index, [target.value, value])}
          />
          <span aria-hidden className="pt-2 text-ink-3">
            =
          </span>
          <TextField
            label={text.value}
            labelHidden
            placeholder={text.value}
            className="min-w-0 flex-1"
            value={value}
            disabled={form.disabled}
            spellCheck={false}
            onChange={({ target }) => put(index, [key, target.value])}
          />
          <IconButton
            icon={X}
            label={text.removeLabel(key)}
            disabled={form.disabled}
            onClick={() => change(shown.filter((_, at) => at !== index))}
          />
        </div>
      ))}
      {fault !== undefined && <p className="text-sm font-medium text-bad">{fault}</p>}
      <Button
        size="sm"
        icon={Plus}
        disabled={form.disabled}
        onClick={() => setRows([...shown, ['', '']])}
      >
        {text.addLabel}
      </Button>
    </div>
  );
}

function rowsOf(value: unknown): Row[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).map(([key, each]) => [key, each === null ? '' : String(each)]);
}

function same(found: readonly Row[], rows: readonly Row[]): boolean {
  const named = Object.fromEntries(rows.filter(([key]) => key !== ''));
  return JSON.stringify(Object.entries(named)) === JSON.stringify(found);
}
