import { useWholeList } from '../../api/pages';
import { fleets } from '../../api/queries/fleets';
import { places } from '../../api/queries/places';
import { Combobox } from '../../ui/Combobox';
import { Select } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
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
  const knownFleets = useWholeList(fleets.list()).items;
  const knownAgents = useWholeList(places.agents()).items;
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
      <Combobox
        label={text.fleet}
        labelHidden
        className="md:w-40"
        placeholder={text.anyFleet}
        value={search.fleet}
        options={knownFleets.map(({ metadata: { name } }) => ({ value: name, text: name }))}
        onChange={(fleet) => onChange({ fleet })}
      />
      <Combobox
        label={text.agent}
        labelHidden
        className="md:w-40"
        placeholder={text.anyAgent}
        value={search.agent}
        options={knownAgents.map(({ name }) => ({ value: name, text: name }))}
        onChange={(agent) => onChange({ agent })}
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
      <div className="col-span-2 flex items-center gap-2 md:w-72">
        <span aria-hidden className="text-sm whitespace-nowrap text-ink-2">
          {text.askedSince}
        </span>
        <MomentField
          label={text.askedSince}
          labelHidden
          className="min-w-0 flex-1"
          value={search.since === undefined ? undefined : new Date(search.since)}
          onChoose={(since) => onChange({ since: since?.toISOString() })}
        />
      </div>
    </div>
  );
}
