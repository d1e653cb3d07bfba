/** What is chosen so far, beside every step. */
import { Card } from '../../ui/Card';
import { words } from '../../words';
import { Facts, type Fact } from '../work/Facts';
import { starts } from './draft';
import { tellPoint } from './point';
import type { Draft } from './route';

const text = words.wizard;

export function SoFar({ draft, className }: { draft: Draft; className?: string }) {
  const facts: Fact[] = [];
  const add = (term: string, value: string | undefined) => {
    if (value !== undefined) facts.push({ term, value, wide: true });
  };
  add(text.steps.source, draft.cluster);
  add(text.steps.point, draft.at === undefined ? undefined : tellPoint(draft.at));
  add(text.target.place, draft.agent ?? draft.region);
  if (draft.rehearse !== true) {
    add(text.target.dir, draft.dir);
    if (starts(draft)) add(text.target.port, draft.port?.toString());
    add(text.target.register, draft.register);
  }
  if (facts.length === 0) return null;
  return (
    <Card className={className}>
      <h2 className="px-3 pt-3 text-sm font-semibold text-ink-2">{text.draft}</h2>
      <Facts facts={facts} className="num p-3 pt-2" />
    </Card>
  );
}
