/** The filters above alarms; each is a part of the URL. */
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { fleets } from '../../api/queries/fleets';
import { Combobox } from '../../ui/Combobox';
import { Select } from '../../ui/Field';
import { words } from '../../words';
import { RULES, SEVERITIES, type AlarmSearch } from './route';

const text = words.alarms.filters;

export function Filters({
  search,
  onChange,
}: {
  search: AlarmSearch;
  onChange: (changed: Partial<AlarmSearch>) => void;
}) {
  const known = useWholeList(fleets.list()).items.map(({ metadata: { name } }) => name);
  const named = useWholeList(clusters.list()).items.map(({ metadata: { name } }) => name);
  const options = (names: readonly string[]) => names.map((value) => ({ value, text: value }));
  return (
    <div
      role="search"
      aria-label={text.region}
      className="mb-3 grid grid-cols-2 items-start gap-2 md:flex md:flex-wrap"
    >
      <Select
        label={text.severity}
        labelHidden
        className="md:w-40"
        value={search.severity ?? ''}
        options={[
          { value: '', text: text.anySeverity },
          ...SEVERITIES.map((value) => ({ value, text: words.alarms.severities[value] })),
        ]}
        onValueChange={(value) => onChange({ severity: SEVERITIES.find((each) => each === value) })}
      />
      <Select
        label={text.rule}
        labelHidden
        className="md:w-52"
        value={search.rule ?? ''}
        options={[
          { value: '', text: text.anyRule },
          ...RULES.map((value) => ({ value, text: words.alarms.rules[value] })),
        ]}
        onValueChange={(value) => onChange({ rule: RULES.find((each) => each === value) })}
      />
      <Combobox
        label={text.fleet}
        labelHidden
        className="md:w-44"
        placeholder={text.anyFleet}
        value={search.fleet}
        options={options(known)}
        onChange={(fleet) => onChange({ fleet })}
      />
      <Combobox
        label={text.cluster}
        labelHidden
        className="md:w-52"
        placeholder={text.anyCluster}
        value={search.cluster}
        options={options(named)}
        onChange={(cluster) => onChange({ cluster })}
      />
    </div>
  );
}
