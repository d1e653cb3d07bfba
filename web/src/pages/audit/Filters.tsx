/** The filters above the audit log; the API filters, and each is a part of the URL. */
import { useState } from 'react';
import { TextField } from '../../ui/Field';
import { words } from '../../words';
import type { AuditSearch } from './route';

const text = words.audit.filters;

export function Filters({
  search,
  onChange,
}: {
  search: AuditSearch;
  onChange: (changed: Partial<AuditSearch>) => void;
}) {
  const fields = [
    { field: 'principal', label: text.principal, placeholder: text.principalExample },
    { field: 'action', label: text.action, placeholder: text.actionExample },
    { field: 'target', label: text.target, placeholder: text.targetExample },
  ] as const;
  return (
    <div
      role="search"
      aria-label={text.region}
      className="mb-3 grid grid-cols-2 gap-2 sm:grid-cols-3 xl:flex"
    >
      {fields.map(({ field, label, placeholder }) => (
        <Committed
          key={`${field} ${search[field] ?? ''}`}
          {...{ label, placeholder }}
          value={search[field]}
          onChange={(value) => onChange({ [field]: value })}
        />
      ))}
      {(['since', 'until'] as const).map((field) => (
        <TextField
          key={field}
          label={text[field]}
          type="datetime-local"
          className="xl:w-52"
          value={search[field] ?? ''}
          onChange={({ target: { value } }) =>
            onChange({ [field]: value === '' ? undefined : value })
          }
        />
      ))}
    </div>
  );
}

/** Asked when it is whole, not with each letter. */
function Committed({
  label,
  placeholder,
  value,
  onChange,
}: {
  label: string;
  placeholder: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const [typed, setTyped] = useState(value ?? '');
  const commit = () => {
    const next = typed.trim();
    if (next !== (value ?? '')) onChange(next === '' ? undefined : next);
  };
  return (
    <TextField
      {...{ label, placeholder }}
      className="xl:w-52"
      value={typed}
      spellCheck={false}
      autoComplete="off"
      onChange={({ target }) => setTyped(target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}
