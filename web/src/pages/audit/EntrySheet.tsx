/** An entry whole: who, what, from where, in which request, and what was written. */
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { AuditRow } from '../../api/queries/audit';
import { Subject } from '../../subjects/Subject';
import { partsOf } from '../../subjects/subject';
import { CopyButton } from '../../ui/Code';
import { Sheet } from '../../ui/Dialog';
import { Facts } from '../../ui/Facts';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { DiffView } from '../../yaml/DiffView';
import { writeYaml } from '../../yaml/twin';
import { YamlView } from '../../yaml/YamlView';
import { Outcome } from './columns';
import type { AuditSearch } from './route';

const text = words.audit.detail;
const { columns } = words.audit;

export function EntrySheet({
  row,
  onClose,
  onFilter,
}: {
  row: AuditRow;
  onClose: () => void;
  onFilter: (changed: Partial<AuditSearch>) => void;
}) {
  return (
    <Sheet open onOpenChange={(open) => !open && onClose()} title={text.title(row.seq)}>
      <div className="space-y-5 px-4 pt-2 pb-6">
        <Facts
          facts={[
            { name: columns.at, value: <Time at={row.at} absolute />, wide: true },
            {
              name: columns.who,
              value: (
                <More onMore={() => onFilter({ principal: row.principal })} text={text.whoMore}>
                  {row.principal}
                </More>
              ),
              wide: true,
            },
            {
              name: columns.action,
              value: <code className="text-sm">{row.action}</code>,
            },
            { name: columns.outcome, value: <Outcome outcome={row.outcome} /> },
            {
              name: columns.target,
              value: (
                <More onMore={() => onFilter({ target: row.target })} text={text.targetMore}>
                  <Subject subject={row.target} />
                </More>
              ),
              wide: true,
            },
            { name: columns.remote, value: row.remote ?? <None /> },
            {
              name: text.request,
              wide: true,
              value: <Copied value={row.requestId} name={text.request} />,
            },
            { name: text.hash, wide: true, value: <Copied value={row.hash} name={text.hash} /> },
          ]}
        />
        <Detail row={row} />
      </div>
    </Sheet>
  );
}

function More({
  onMore,
  text: said,
  children,
}: {
  onMore: () => void;
  text: string;
  children: ReactNode;
}) {
  return (
    <>
      <span className="block">{children}</span>
      <button
        type="button"
        onClick={onMore}
        className="rounded-sm text-sm font-medium text-accent hover:underline"
      >
        {said}
      </button>
    </>
  );
}

function Copied({ value, name }: { value: string; name: string }) {
  return (
    <span className="flex items-start gap-1">
      <code className="pt-1 text-xs break-all">{value}</code>
      <CopyButton text={value} label={words.common.copy(name)} />
    </span>
  );
}

/** What was written, against what was there before where the log has it. */
function Detail({ row }: { row: AuditRow }) {
  const detail: unknown = row.detail;
  if (typeof detail !== 'object' || detail === null) {
    return <p className="text-ink-2">{text.nothing}</p>;
  }
  const { document, before, ...other } = detail as Record<string, unknown>;
  const after = document ?? (detail as Record<string, unknown>)['after'];
  const known = before !== null && before !== undefined;
  const policy = partsOf(row.target).find(({ kind }) => kind === 'policies');
  const rest = Object.keys(other).filter((key) => key !== 'after');
  return (
    <>
      {known && (
        <section className="space-y-2">
          <h3 className="font-semibold">{text.changes}</h3>
          <DiffView
            before={writeYaml(before)}
            after={writeYaml(after ?? {})}
            label={text.changes}
          />
        </section>
      )}
      {!known && after !== null && after !== undefined && (
        <section className="space-y-2">
          <h3 className="font-semibold">{text.document}</h3>
          <YamlView text={writeYaml(after)} label={text.document} />
          <p className="text-sm text-ink-2">
            {text.noBefore}{' '}
            {policy !== undefined && (
              <Link
                to="/policies/$policy"
                params={{ policy: policy.name }}
                search={{ tab: 'versions' }}
                className="rounded-sm font-medium text-accent hover:underline"
              >
                {text.policyBefore}
              </Link>
            )}
          </p>
        </section>
      )}
      {rest.length > 0 && (
        <section className="space-y-2">
          <h3 className="font-semibold">{text.other}</h3>
          <YamlView
            text={writeYaml(Object.fromEntries(rest.map((key) => [key, other[key]])))}
            label={text.other}
          />
        </section>
      )}
    </>
  );
}
