import { Select } from '../../ui/Field';
import { words } from '../../words';
import { ClusterFilter } from '../work/ClusterFilter';
import { KINDS, STATES, type JobSearch } from './route';

const text = words.jobs;
const kinds = [
  { value: '', text: text.anyKind },
  ...KINDS.map((value) => ({ value, text: words.work.jobKinds[value] })),
];
const states = [
  { value: '', text: text.anyState },
  ...STATES.map((value) => ({ value, text: words.work.jobStates[value] })),
];

export function JobFilters({
  search,
  onChange,
  withState = false,
}: {
  search: JobSearch;
  onChange: (changed: Partial<JobSearch>) => void;
  withState?: boolean;
}) {
  return (
    <div
      role="search"
      aria-label={words.work.filters}
      className="mb-4 grid grid-cols-2 gap-2 md:flex md:flex-wrap"
    >
      <ClusterFilter
        className="col-span-2 md:w-56"
        value={search.cluster}
        onChange={(cluster) => onChange({ cluster })}
      />
      <Select
        label={text.kind}
        labelHidden
        className="md:w-40"
        value={search.kind ?? ''}
        options={kinds}
        onValueChange={(value) => onChange({ kind: KINDS.find((kind) => kind === value) })}
      />
      {withState && (
        <Select
          label={text.state}
          labelHidden
          className="md:w-40"
          value={search.state ?? ''}
          options={states}
          onValueChange={(value) => onChange({ state: STATES.find((state) => state === value) })}
        />
      )}
    </div>
  );
}
