/** The filters above the audit log; the API filters, and each is a part of the URL. */
import { useState } from 'react';
import { formatLocal, parseMoment } from '../../format/time';
import { TextField } from '../../ui/Field';
import { cx } from '../../ui/cx';
import { MomentField } from '../../ui/Moment';
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
          wide={field === 'target'}
          value={search[field]}
          onChange={(value) => onChange({ [field]: value })}
        />
      ))}
      {(['since', 'until'] as const).map((field) => (
        <MomentField
          key={field}
          label={text[field]}
          className="col-span-2 sm:col-span-1 xl:w-64"
          value={parseMoment(search[field] ?? '')}
          onChoose={(chosen) =>
            onChange({ [field]: chosen && formatLocal(chosen).slice(0, 16).replace(' ', 'T') })
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
  wide,
  value,
  onChange,
}: {
  label: string;
  placeholder: string;
  /** Alone in its line on a phone. */
  wide: boolean;
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
      className={cx('min-w-0 xl:flex-1', wide && 'col-span-2 sm:col-span-1')}
      value={typed}
      spellCheck={false}
      autoComplete="off"
      onChange={({ target }) => setTyped(target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}
