/** One cluster, or any. */
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { Combobox } from '../../ui/Combobox';
import { words } from '../../words';

export function ClusterFilter({
  value,
  onChange,
  className,
}: {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  className?: string;
}) {
  const known = useWholeList(clusters.list());
  return (
    <Combobox
      label={words.jobs.cluster}
      labelHidden
      className={className}
      placeholder={words.work.anyCluster}
      value={value}
      options={known.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
      onChange={onChange}
    />
  );
}
