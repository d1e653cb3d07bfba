/** The filters above the list; each is a part of the URL. */
import { Search } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { fleets } from '../../api/queries/fleets';
import { Combobox } from '../../ui/Combobox';
import { Select, TextField } from '../../ui/Field';
import { Switch } from '../../ui/Check';
import { words } from '../../words';
import { PROOFS, STATES, type ClusterSearch } from './route';

const text = words.clusters.filters;
const LABEL = /^[^=,\s]+=[^=,\s]*(,[^=,\s]+=[^=,\s]*)*$/;

const proofs = [
  { value: '', text: text.anyProof },
  ...PROOFS.map((value) => ({ value, text: text.proofs[value] })),
];
const states = [
  { value: '', text: text.anyState },
  ...STATES.map((value) => ({ value, text: words.clusters.verdicts[value] })),
];

export function Filters({
  search,
  policies,
  onChange,
}: {
  search: ClusterSearch;
  /** Those that are in force somewhere. */
  policies: readonly string[];
  onChange: (changed: Partial<ClusterSearch>) => void;
}) {
  const known = useWholeList(fleets.list());
  return (
    <div
      role="search"
      aria-label={text.region}
      className="mb-3 grid grid-cols-2 items-start gap-2 md:flex md:flex-wrap"
    >
      <div className="relative col-span-2 md:w-64">
        <Search
          aria-hidden
          className="pointer-events-none absolute top-2.5 left-2.5 z-10 size-4 text-ink-3"
        />
        <TextField
          label={text.name}
          labelHidden
          type="search"
          placeholder={text.namePlaceholder}
          value={search.q ?? ''}
          onChange={(event) =>
            onChange({ q: event.target.value === '' ? undefined : event.target.value })
          }
          style={{ paddingLeft: '2.125rem' }}
        />
      </div>
      <Select
        label={text.state}
        labelHidden
        className="md:w-44"
        value={search.state ?? ''}
        options={states}
        onValueChange={(value) =>
          onChange({ state: STATES.find((state) => state === value) ?? undefined })
        }
      />
      <Combobox
        label={text.fleet}
        labelHidden
        className="md:w-44"
        placeholder={text.anyFleet}
        value={search.fleet}
        options={known.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
        onChange={(fleet) => onChange({ fleet })}
      />
      <Combobox
        label={text.policy}
        labelHidden
        className="md:w-40"
        placeholder={text.anyPolicy}
        value={search.policy}
        options={policies.map((name) => ({ value: name, text: name }))}
        onChange={(policy) => onChange({ policy })}
      />
      <Select
        label={text.proof}
        labelHidden
        className="md:w-44"
        value={search.proof ?? ''}
        options={proofs}
        onValueChange={(value) =>
          onChange({ proof: PROOFS.find((proof) => proof === value) ?? undefined })
        }
      />
      <LabelFilter
        key={search.label ?? ''}
        value={search.label}
        onChange={(label) => onChange({ label })}
      />
      <div className="flex h-9 items-center pl-1">
        <Switch
          label={text.retired}
          checked={search.retired ?? false}
          onChange={(retired) => onChange({ retired: retired || undefined })}
        />
      </div>
    </div>
  );
}

/** Asked of the API when it is whole, not with each letter. */
function LabelFilter({
  value,
  onChange,
}: {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const [typed, setTyped] = useState(value ?? '');
  const [wrong, setWrong] = useState(false);
  const commit = () => {
    const label = typed.trim();
    const fits = label === '' || LABEL.test(label);
    setWrong(!fits);
    if (fits && label !== (value ?? '')) onChange(label === '' ? undefined : label);
  };
  return (
    <TextField
      label={text.label}
      labelHidden
      className="md:w-44"
      placeholder={text.labelPlaceholder}
      spellCheck={false}
      value={typed}
      error={wrong ? text.labelHelp : undefined}
      onChange={(event) => setTyped(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}
