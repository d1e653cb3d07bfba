/** Which rows are chosen, known to the cells without new columns. */
import { createContext, useContext } from 'react';
import { Checkbox } from '../../../ui/Check';
import { words } from '../../../words';

export interface Selection {
  has: (name: string) => boolean;
  set: (name: string, chosen: boolean) => void;
}

const none: Selection = { has: () => false, set: () => {} };
export const SelectionContext = createContext<Selection>(none);

export function SelectCell({ name }: { name: string }) {
  const selection = useContext(SelectionContext);
  return (
    <Checkbox
      label={words.clusters.bulk.select(name)}
      labelHidden
      checked={selection.has(name)}
      onChange={(chosen) => selection.set(name, chosen)}
    />
  );
}
