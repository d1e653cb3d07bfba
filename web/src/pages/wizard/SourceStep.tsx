/** Which cluster, and whether it is to be used or only rehearsed. */
import { Link } from '@tanstack/react-router';
import { Database, Search, Target, History } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { exposure } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { TextField } from '../../ui/Field';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { matching, rowsOf, type ClusterRow } from '../clusters/rows';
import { VerdictPill } from '../clusters/VerdictPill';
import { Choice } from './Choice';
import type { StepProps } from './WizardPage';

const text = words.wizard.source;
const SHOWN = 12;

export function SourceStep({ draft, change, wrong }: StepProps) {
  return (
    <div className="space-y-4">
      <Card>
        <CardHeader title={text.title} about={text.about} />
        <CardBody>
          <Clusters
            chosen={draft.cluster}
            error={wrong.cluster}
            onChoose={(cluster) =>
              change(
                cluster === draft.cluster
                  ? {}
                  : { cluster, at: undefined, from: undefined, to: undefined },
              )
            }
          />
        </CardBody>
      </Card>
      <Card>
        <CardHeader title={text.mode} />
        <CardBody>
          <div role="radiogroup" aria-label={text.mode} className="grid gap-3 sm:grid-cols-2">
            <Choice
              name="mode"
              icon={History}
              title={text.restore}
              about={text.restoreAbout}
              checked={draft.rehearse !== true}
              onChoose={() => change({ rehearse: undefined })}
            />
            <Choice
              name="mode"
              icon={Target}
              title={text.rehearse}
              about={text.rehearseAbout}
              checked={draft.rehearse === true}
              onChoose={() => change({ rehearse: true })}
            />
          </div>
          <p className="mt-3 flex flex-wrap items-center gap-x-2 text-ink-2">
            {text.dumpAbout}
            <Link
              to="/restores/dump"
              search={draft.cluster === undefined ? {} : { cluster: draft.cluster }}
              className="font-medium text-ink underline underline-offset-2"
            >
              {text.dump}
            </Link>
          </p>
        </CardBody>
      </Card>
    </div>
  );
}

function Clusters({
  chosen,
  error,
  onChoose,
}: {
  chosen: string | undefined;
  error: string | undefined;
  onChoose: (cluster: string) => void;
}) {
  const [q, setQ] = useState('');
  const declared = useWholeList(clusters.list({ retired: true }));
  const exposures = useWholeList(exposure.list());
  const rows = useMemo(
    () => rowsOf(declared.items, exposures.items, exposures.complete),
    [declared.items, exposures.items, exposures.complete],
  );
  const found = matching(rows, { q });
  const shown = withChosen(found.slice(0, SHOWN), rows, chosen);
  if (declared.error !== null && rows.length === 0) {
    return <ErrorState compact error={declared.error} retry={declared.retry} />;
  }
  if (declared.pending) return <Skeleton className="h-24" />;
  if (rows.length === 0) {
    return (
      <EmptyState icon={Database} title={text.empty.title}>
        <p>{text.empty.about}</p>
        <CodeBlock
          label={text.empty.command}
          text="holdfast backup run orders --wait"
          className="text-left"
        />
      </EmptyState>
    );
  }
  return (
    <>
      {(rows.length > SHOWN || q !== '') && (
        <div className="relative mb-3 max-w-sm">
          <Search
            aria-hidden
            className="pointer-events-none absolute top-2.5 left-2.5 z-10 size-4 text-ink-3"
          />
          <TextField
            label={text.find}
            labelHidden
            type="search"
            placeholder={text.find}
            value={q}
            onChange={(event) => setQ(event.target.value)}
            style={{ paddingLeft: '2.125rem' }}
          />
        </div>
      )}
      {error !== undefined && <p className="mb-2 text-sm font-medium text-bad">{error}</p>}
      <div
        role="radiogroup"
        aria-label={text.title}
        className="grid gap-3 sm:grid-cols-2 2xl:grid-cols-3"
      >
        {shown.map((row) => (
          <Choice
            key={row.name}
            name="cluster"
            icon={Database}
            title={row.name}
            about={<Window row={row} />}
            aside={row.verdict !== undefined && <VerdictPill verdict={row.verdict} />}
            checked={row.name === chosen}
            onChoose={() => onChoose(row.name)}
          />
        ))}
      </div>
      {found.length === 0 && <p className="text-ink-2">{text.none}</p>}
      {found.length > SHOWN && (
        <p className="num mt-3 text-sm text-ink-3">
          {text.showing(formatCount(SHOWN), formatCount(found.length))}
        </p>
      )}
    </>
  );
}

function Window({ row: { exposure: known } }: { row: ClusterRow }) {
  if (known?.windowStart == null) return text.noWindow;
  return (
    <>
      {text.window} <Time at={known.windowStart} />
    </>
  );
}

/** What is chosen stays to be seen, whatever is typed. */
function withChosen(
  shown: ClusterRow[],
  all: readonly ClusterRow[],
  chosen: string | undefined,
): ClusterRow[] {
  if (chosen === undefined || shown.some(({ name }) => name === chosen)) return shown;
  const found = all.find(({ name }) => name === chosen);
  return found === undefined ? shown : [found, ...shown];
}
