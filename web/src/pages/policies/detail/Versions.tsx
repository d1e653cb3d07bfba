/** What a policy said: revisions, what each changed, and the way back. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { History, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../../api/pages';
import { policies, type Policy, type PolicyRevision } from '../../../api/queries/policies';
import { Badge } from '../../../ui/Badge';
import { Button } from '../../../ui/Button';
import { cx } from '../../../ui/cx';
import { Select } from '../../../ui/Field';
import { EmptyState, ErrorState, Skeleton } from '../../../ui/States';
import { cronSaid } from '../../../format/cron';
import { formatAge } from '../../../format/time';
import { useNow } from '../../../live/now';
import { Time } from '../../../ui/Values';
import { whoOf } from '../../../subjects/who';
import { words } from '../../../words';
import { DiffView } from '../../../yaml/DiffView';
import { Changes } from '../Affected';
import { policyText } from '../editor/draft';
import { Rollback } from './Rollback';

const text = words.policies.versions;
const route = getRouteApi('/frame/policies/$policy');

export function Versions({ name, policy }: { name: string; policy: Policy | undefined }) {
  const { revision } = route.useSearch();
  const navigate = route.useNavigate();
  const history = useWholeList(policies.history(name));
  if (history.error !== null && history.items.length === 0) {
    return <ErrorState error={history.error} retry={history.retry} />;
  }
  // What is in force is what most come for.
  const chosen =
    revision === undefined
      ? history.items[0]
      : history.items.find((each) => each.revision === revision);
  return (
    <div className="grid items-start gap-5 lg:grid-cols-[minmax(16rem,22rem)_minmax(0,1fr)]">
      <div>
        <p className="mb-2 text-sm text-ink-2">{text.about}</p>
        {history.pending && <Skeleton className="h-24 w-full" />}
        <ol aria-label={text.list} className="scroll-quiet max-h-[36rem] space-y-1 overflow-y-auto">
          {history.items.map((each, index) => (
            <li key={each.revision}>
              <RevisionButton
                revision={each}
                now={index === 0 && policy !== undefined}
                active={each.revision === chosen?.revision}
                onChoose={() =>
                  void navigate({
                    search: { tab: 'versions', revision: each.revision },
                    replace: true,
                  })
                }
              />
            </li>
          ))}
        </ol>
      </div>
      {chosen === undefined && history.pending ? null : chosen === undefined ? (
        <EmptyState icon={History} title={text.choose} />
      ) : (
        <Revision
          key={chosen.revision}
          name={name}
          chosen={chosen}
          previous={history.items[history.items.indexOf(chosen) + 1]}
          policy={policy}
        />
      )}
    </div>
  );
}

function RevisionButton({
  revision,
  now,
  active,
  onChoose,
}: {
  revision: PolicyRevision;
  now: boolean;
  active: boolean;
  onChoose: () => void;
}) {
  const { changes, changedAt, changedBy, action } = revision;
  return (
    <button
      type="button"
      aria-current={active || undefined}
      onClick={onChoose}
      className={cx(
        'block w-full rounded-md border px-3 py-2 text-left focus-visible:outline-offset-[-2px]',
        active ? 'border-accent bg-accent-soft' : 'border-line bg-surface hover:bg-hover',
      )}
    >
      <span className="flex items-center gap-2">
        <span className="num font-medium">{text.number(revision.revision)}</span>
        <span className="text-ink-2">{text.actions[action]}</span>
        {changes.length > 0 && (
          <span className="text-sm text-ink-2">{text.changes(changes.length)}</span>
        )}
        {now && (
          <Badge tone="ok" className="ml-auto">
            {text.now}
          </Badge>
        )}
      </span>
      <span className="block text-sm text-ink-2">
        <AgeOf at={changedAt} /> {text.by} {changedBy == null ? text.system : whoOf(changedBy)}
      </span>
    </button>
  );
}

/** `Time` can be reached by keys itself; within a button that would be one too many. */
function AgeOf({ at }: { at: string }) {
  const now = useNow();
  return <time dateTime={at}>{formatAge(Date.parse(at), now)}</time>;
}

function Revision({
  name,
  chosen,
  previous,
  policy,
}: {
  name: string;
  chosen: PolicyRevision;
  previous: PolicyRevision | undefined;
  policy: Policy | undefined;
}) {
  const [against, setAgainst] = useState<'now' | 'before'>(
    policy !== undefined && policy.status.revision !== chosen.revision ? 'now' : 'before',
  );
  const [rolling, setRolling] = useState(false);
  const said = useQuery(policies.revision(name, chosen.revision));
  const before = useQuery({
    ...policies.revision(name, previous?.revision ?? 0),
    enabled: previous !== undefined,
  });
  const document = textOf(said.data?.document);
  const current = policy?.status.revision === chosen.revision;
  return (
    <div className="min-w-0 space-y-4">
      <div className="flex flex-wrap items-end gap-3">
        <p className="min-w-0 flex-1 text-ink-2">
          <Time at={chosen.changedAt} absolute /> {text.by}{' '}
          {chosen.changedBy == null ? text.system : whoOf(chosen.changedBy)}
        </p>
        <Select
          label={text.compare}
          className="w-52"
          value={against}
          options={[
            ...(policy === undefined ? [] : [{ value: 'now' as const, text: text.current }]),
            { value: 'before' as const, text: text.before },
          ]}
          onValueChange={setAgainst}
        />
        {!current && document !== undefined && (
          <Button icon={Undo2} onClick={() => setRolling(true)}>
            {text.rollback}
          </Button>
        )}
      </div>
      {chosen.contract !== null && chosen.contract !== undefined && (
        <p>{cronSaid(chosen.contract)}</p>
      )}
      {chosen.changes.length > 0 && <Changes changes={chosen.changes} />}
      {said.error !== null && <ErrorState compact error={said.error} />}
      {said.isPending ? (
        <Skeleton className="h-40 w-full" />
      ) : (
        <DiffView
          label={text.differences}
          {...(against === 'now' && policy !== undefined
            ? { before: document ?? '', after: policyText(policy) }
            : { before: textOf(before.data?.document) ?? '', after: document ?? '' })}
        />
      )}
      {document !== undefined && (
        <Rollback
          open={rolling}
          onOpenChange={setRolling}
          name={name}
          to={chosen.revision}
          document={said.data?.document}
          policy={policy}
        />
      )}
    </div>
  );
}

function textOf(document: unknown): string | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  return policyText(document as Parameters<typeof policyText>[0]);
}
