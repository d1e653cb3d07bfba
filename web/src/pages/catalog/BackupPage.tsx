/** One backup: what it is, what keeps it, what it rests on and what rests on it. */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { DatabaseBackup, Flame, History, Lock, Target } from 'lucide-react';
import { backups, type Backup } from '../../api/queries/backups';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { Bytes, Lsn, None, Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { Await } from '../work/Await';
import { Facts } from '../work/Facts';
import { FailureNote } from '../work/FailureNote';
import { ClusterLink, JobLink, RepositoryLinks } from '../work/links';
import { BackupPill } from '../work/pills';
import { version } from '../work/version';
import { Chain } from './Chain';
import { CopyBackup } from './CopyBackup';
import { DeleteBackup } from './DeleteBackup';
import { HoldBackup, ReleaseBackup } from './HoldBackup';

const text = words.catalog.detail;
const route = getRouteApi('/frame/catalog/$backup');

export function BackupPage() {
  const { backup: id } = route.useParams();
  const query = useQuery(backups.detail(id));
  const backup = query.data;
  return (
    <Page
      title={backup === undefined ? id : text.title(text.kinds[backup.kind], backup.cluster)}
      about={<code className="text-sm break-all">{id}</code>}
      actions={backup !== undefined && <Actions backup={backup} />}
    >
      <Await query={query}>{(found) => <Found backup={found} />}</Await>
    </Page>
  );
}

function Actions({ backup }: { backup: Backup }) {
  const available = backup.state === 'available';
  return (
    <>
      <Equivalent
        cli={`holdfast backup show ${backup.id}`}
        api={{ method: 'GET', path: `/api/v1/backups/${backup.id}` }}
      />
      {available && (
        <>
          <CopyBackup backup={backup} />
          <HoldBackup backup={backup} />
          <DeleteBackup backup={backup} />
          {backup.kind === 'logical' ? (
            <FromDump backup={backup} />
          ) : (
            <FromBackup backup={backup} />
          )}
        </>
      )}
    </>
  );
}

function FromBackup({ backup }: { backup: Backup }) {
  return (
    <Button variant="primary" asChild>
      <Link
        to="/restores/new"
        search={{ cluster: backup.cluster, at: `backup:${backup.id}`, step: 'point' }}
      >
        <History aria-hidden className="size-4" />
        {text.restore}
      </Link>
    </Button>
  );
}

/** A dump makes no server of its own but in a rehearsal: a database of it goes into one. */
function FromDump({ backup }: { backup: Backup }) {
  const { id, cluster } = backup;
  return (
    <>
      <Button asChild>
        <Link
          to="/restores/new"
          search={{ cluster, at: `backup:${id}`, rehearse: true, step: 'target' }}
        >
          <Target aria-hidden className="size-4" />
          {text.rehearse}
        </Link>
      </Button>
      <Button variant="primary" asChild>
        <Link to="/restores/dump" search={{ cluster, backup: id }}>
          <DatabaseBackup aria-hidden className="size-4" />
          {text.restoreDatabase}
        </Link>
      </Button>
    </>
  );
}

function Found({ backup }: { backup: Backup }) {
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
      <div className="min-w-0 space-y-4">
        <Card>
          <CardBody className="space-y-4 pt-4">
            <BackupPill state={backup.state} />
            {backup.error != null && <FailureNote failure={backup.error} />}
            {backup.condemned != null && <Condemned condemned={backup.condemned} />}
            <BackupFacts backup={backup} />
          </CardBody>
        </Card>
        <Card>
          <CardHeader title={text.chain} about={text.chainAbout} />
          <CardBody>
            <Chain backup={backup} />
          </CardBody>
        </Card>
      </div>
      <Card>
        <CardHeader
          title={text.hold.title}
          actions={backup.hold != null && <ReleaseBackup backup={backup} />}
        />
        <CardBody>
          {backup.hold == null ? (
            <p className="text-ink-2">{text.hold.none}</p>
          ) : (
            <Held hold={backup.hold} />
          )}
        </CardBody>
      </Card>
    </div>
  );
}

function Held({ hold }: { hold: NonNullable<Backup['hold']> }) {
  return (
    <div className="space-y-3">
      <p className="flex items-start gap-2">
        <Lock aria-hidden className="mt-0.5 size-4 shrink-0 text-ink-3" />
        <span className="font-medium">{hold.reason}</span>
      </p>
      <Facts
        facts={[
          { term: text.hold.by(whoOf(hold.by)), value: <Time at={hold.placedAt} /> },
          {
            term: text.hold.until,
            value: hold.until == null ? text.hold.untilReleased : <Time absolute at={hold.until} />,
          },
        ]}
      />
    </div>
  );
}

function Condemned({ condemned }: { condemned: NonNullable<Backup['condemned']> }) {
  const cause = condemned.cause === 'hand' ? text.condemned.hand : text.condemned.retention;
  return (
    <div className="flex items-start gap-2.5 rounded-md bg-warn-soft p-3">
      <Flame aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
      <div className="min-w-0 space-y-0.5">
        <p className="font-medium text-warn">
          {text.condemned.title} {cause}
        </p>
        <p>{condemned.reason}</p>
        <p className="text-sm">
          {condemned.deletedAt == null ? (
            <>
              {text.condemned.after} <Time absolute at={condemned.deleteAfter} />
            </>
          ) : (
            <>
              {text.condemned.deleted} <Time absolute at={condemned.deletedAt} />
            </>
          )}
        </p>
      </div>
    </div>
  );
}

function BackupFacts({ backup }: { backup: Backup }) {
  const { facts } = text;
  return (
    <Facts
      facts={[
        { term: facts.cluster, value: <ClusterLink name={backup.cluster} /> },
        { term: facts.job, value: <JobLink id={backup.job} /> },
        { term: facts.started, value: <Time at={backup.startedAt} /> },
        { term: facts.finished, value: <Time absolute at={backup.finishedAt} /> },
        { term: facts.database, value: <Bytes bytes={backup.databaseBytes} /> },
        { term: facts.added, value: <Bytes bytes={backup.addedBytes} /> },
        {
          term: facts.repositories,
          value: <RepositoryLinks names={backup.repositories} />,
        },
        { term: facts.version, value: version(backup.serverVersion) ?? <None /> },
        { term: facts.startLsn, value: <Lsn at={backup.startLsn} /> },
        { term: facts.stopLsn, value: <Lsn at={backup.stopLsn} /> },
        { term: facts.timeline, value: backup.timeline ?? <None /> },
        {
          term: facts.lineage,
          value: <code className="text-[0.8125rem] break-all">{backup.lineage}</code>,
        },
        ...(backup.pinnedUntil == null
          ? []
          : [
              {
                term: facts.pinned,
                value: (
                  <>
                    <Time absolute at={backup.pinnedUntil} />
                    <span className="block text-sm text-ink-3">{text.pinnedAbout}</span>
                  </>
                ),
              },
            ]),
      ]}
    />
  );
}
