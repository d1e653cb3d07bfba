/** From which dump, and which of its databases. */
import { Link } from '@tanstack/react-router';
import { Database, DatabaseBackup } from 'lucide-react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { formatBytes, formatCount } from '../../format/size';
import { formatLocal } from '../../format/time';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { Combobox } from '../../ui/Combobox';
import { Select, TextField } from '../../ui/Field';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Choice } from '../wizard/Choice';
import { shortId } from '../../format/ids';
import type { Dumped } from './draft';
import type { DumpProps } from './DumpPage';
import type { DumpChoice } from './useDump';

const text = words.dumps;

export function SourceCards(props: DumpProps & { choice: DumpChoice }) {
  const { draft, change, wrong, choice } = props;
  const known = useWholeList(clusters.list({ retired: true }));
  const none = choice.dumps.length === 0 && choice.dump === undefined && !choice.pending;
  return (
    <>
      <Card>
        <CardHeader title={text.source.title} />
        <CardBody className="space-y-4">
          <div className="grid items-start gap-4 sm:grid-cols-2">
            <Combobox
              label={text.source.cluster}
              value={draft.cluster}
              error={wrong.cluster}
              options={known.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
              onChange={(cluster) => change({ cluster, backup: undefined, database: undefined })}
            />
            {draft.cluster !== undefined && !none && <DumpSelect {...props} />}
          </div>
          {choice.error !== null && (
            <ErrorState compact error={choice.error} retry={choice.retry} />
          )}
          {draft.cluster !== undefined && none && choice.error === null && (
            <NoDump cluster={draft.cluster} />
          )}
        </CardBody>
      </Card>
      {choice.dump !== undefined && <DatabaseCard {...props} />}
    </>
  );
}

function DumpSelect({ draft, change, choice }: DumpProps & { choice: DumpChoice }) {
  if (choice.pending) return <Skeleton className="h-9 self-end" />;
  const { dumps, more } = choice;
  const when = (at: string | null | undefined) =>
    at == null ? undefined : formatLocal(new Date(at));
  const newest = when(dumps[0]?.finishedAt);
  const { backup, cluster } = draft;
  const unlisted = backup !== undefined && !dumps.some(({ id }) => id === backup);
  return (
    <div className="space-y-1">
      <Select
        label={text.source.dump}
        value={backup ?? ''}
        options={[
          {
            value: '',
            text: newest === undefined ? text.source.newestUnknown : text.source.newest(newest),
          },
          ...(unlisted ? [{ value: backup, text: dumpText(choice, backup) }] : []),
          ...dumps.map(({ id, finishedAt, startedAt, databaseBytes }) => ({
            value: id,
            text: text.source.of(
              when(finishedAt) ?? when(startedAt) ?? id,
              databaseBytes == null ? shortId(id) : formatBytes(databaseBytes),
            ),
          })),
        ]}
        onValueChange={(id) => change({ backup: id === '' ? undefined : id, database: undefined })}
      />
      {more && (
        <p className="text-sm text-ink-3">
          {text.source.more}{' '}
          <Link
            to="/catalog"
            search={{ cluster, kind: 'logical', state: 'available' }}
            className="font-medium text-ink underline underline-offset-2"
          >
            {text.source.catalog}
          </Link>
        </p>
      )}
    </div>
  );
}

/** One that is not listed: older than what was read, or not available any more. */
function dumpText({ dump }: DumpChoice, id: string): string {
  if (dump?.state !== 'available' || dump.finishedAt == null)
    return text.source.ofThis(shortId(id));
  return text.source.of(formatLocal(new Date(dump.finishedAt)), shortId(id));
}

function NoDump({ cluster }: { cluster: string }) {
  return (
    <EmptyState icon={DatabaseBackup} title={text.source.none.title(cluster)}>
      <p>{text.source.none.about}</p>
      <CodeBlock
        label={text.source.none.command}
        text={`holdfast backup run ${cluster} --kind logical --wait`}
        className="text-left"
      />
    </EmptyState>
  );
}

function DatabaseCard({ draft, change, wrong, choice }: DumpProps & { choice: DumpChoice }) {
  const { databases, databasesKnown } = choice;
  return (
    <Card>
      <CardHeader title={text.database.title} about={text.database.about} />
      <CardBody className="space-y-3">
        {!databasesKnown && <Skeleton className="h-16" />}
        {wrong.database !== undefined && databases.length > 0 && (
          <p role="alert" className="text-sm font-medium text-bad">
            {wrong.database}
          </p>
        )}
        {databases.length > 0 && (
          <div
            role="radiogroup"
            aria-label={text.database.title}
            className="grid gap-3 sm:grid-cols-2 2xl:grid-cols-3"
          >
            {databases.map((each) => (
              <Choice
                key={each.database}
                name="database"
                icon={Database}
                title={each.database}
                about={<AboutDatabase {...each} />}
                checked={each.database === draft.database}
                onChoose={() => change({ database: each.database })}
              />
            ))}
          </div>
        )}
        {databasesKnown && databases.length === 0 && (
          <TextField
            label={text.database.name}
            help={text.database.unknown}
            error={wrong.database}
            className="max-w-sm"
            spellCheck={false}
            value={draft.database ?? ''}
            onChange={({ target: { value } }) =>
              change({ database: value === '' ? undefined : value })
            }
          />
        )}
      </CardBody>
    </Card>
  );
}

function AboutDatabase({ bytes, objects, snapshotAt }: Dumped) {
  return (
    <>
      {bytes !== undefined && objects !== undefined && (
        <span className="block">
          {text.database.size(formatBytes(bytes), formatCount(objects))}
        </span>
      )}
      {snapshotAt !== undefined && (
        <span className="block text-ink-3">
          {text.database.asOf} <Time at={snapshotAt} />
        </span>
      )}
    </>
  );
}
