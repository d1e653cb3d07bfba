/** Filters of the catalog; a whole id leads to its backup. */
import { useNavigate } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { places } from '../../api/queries/places';
import { Combobox } from '../../ui/Combobox';
import { Select, TextField } from '../../ui/Field';
import { words } from '../../words';
import { ClusterFilter } from '../work/ClusterFilter';
import { KINDS, STATES, type CatalogSearch } from './route';

const text = words.catalog;
const kinds = [
  { value: '', text: text.anyKind },
  ...KINDS.map((value) => ({ value, text: words.work.backupKinds[value] })),
];
const states = [
  { value: '', text: text.anyState },
  ...STATES.map((value) => ({ value, text: words.work.backupStates[value] })),
];

export function CatalogFilters({
  search,
  onChange,
}: {
  search: CatalogSearch;
  onChange: (changed: Partial<CatalogSearch>) => void;
}) {
  const repositories = useWholeList(places.repositories());
  return (
    <div
      role="search"
      aria-label={words.work.filters}
      className="mb-3 grid grid-cols-2 items-start gap-2 md:flex md:flex-wrap"
    >
      <ById />
      <ClusterFilter
        className="col-span-2 md:w-48"
        value={search.cluster}
        onChange={(cluster) => onChange({ cluster })}
      />
      <Select
        label={text.kind}
        labelHidden
        className="md:w-36"
        value={search.kind ?? ''}
        options={kinds}
        onValueChange={(value) => onChange({ kind: KINDS.find((kind) => kind === value) })}
      />
      <Select
        label={text.state}
        labelHidden
        className="md:w-36"
        value={search.state ?? ''}
        options={states}
        onValueChange={(value) => onChange({ state: STATES.find((state) => state === value) })}
      />
      <Combobox
        label={text.repository}
        labelHidden
        className="col-span-2 md:w-44"
        placeholder={text.anyRepository}
        value={search.repository}
        options={repositories.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
        onChange={(repository) => onChange({ repository })}
      />
    </div>
  );
}

function ById() {
  const [typed, setTyped] = useState('');
  const [wrong, setWrong] = useState(false);
  const navigate = useNavigate();
  const go = () => {
    const backup = typed.trim();
    setWrong(backup !== '' && !/^bkp_[0-9a-f]{32}$/.test(backup));
    if (/^bkp_[0-9a-f]{32}$/.test(backup)) {
      void navigate({ to: '/catalog/$backup', params: { backup } });
    }
  };
  return (
    <div className="relative col-span-2 md:w-56">
      <Search
        aria-hidden
        className="pointer-events-none absolute top-2.5 left-2.5 z-10 size-4 text-ink-3"
      />
      <TextField
        label={text.find}
        labelHidden
        type="search"
        spellCheck={false}
        placeholder={text.findPlaceholder}
        value={typed}
        error={wrong ? text.findHelp : undefined}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && go()}
        style={{ paddingLeft: '2.125rem' }}
      />
    </div>
  );
}
