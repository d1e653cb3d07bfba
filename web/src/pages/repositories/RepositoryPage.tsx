/** A repository: its place, how it compares with the catalog, who uses it, its key. */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { KeyRound, RefreshCw, Trash2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { ActError } from '../../acts/ActError';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { Later } from '../../acts/Later';
import { useAct } from '../../acts/useAct';
import { revisionOf } from '../../api/client';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { policies } from '../../api/queries/policies';
import {
  deleteRepository,
  repositories,
  scan,
  type Repository,
} from '../../api/queries/repositories';
import { Page } from '../../frame/Page';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { Facts } from '../../ui/Facts';
import { ErrorState, Skeleton } from '../../ui/States';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { clustersBy } from '../policies/facts';
import { FindingsCard } from './FindingsCard';
import { KeyExport } from './KeyExport';
import { placeOf, usesOf } from './uses';

const text = words.repositories.detail;
const route = getRouteApi('/frame/repositories/$repository');

export function RepositoryPage() {
  const { repository: name } = route.useParams();
  const query = useQuery(repositories.detail(name));
  const begin = useAct({
    run: () => scan(name),
    stale: ['repositories'],
    said: () => words.repositories.scanning(1),
  });
  if (query.data === undefined) {
    return (
      <Page title={name}>
        {query.error === null ? (
          <Skeleton className="h-48 w-full" />
        ) : (
          <ErrorState error={query.error} retry={() => void query.refetch()} />
        )}
      </Page>
    );
  }
  return (
    <Page
      title={name}
      actions={
        <>
          <span className="flex items-center">
            <Equivalent
              cli={`holdfast repository check ${name}`}
              api={{ method: 'POST', path: '/api/v1/scans', body: { repository: name } }}
            />
          </span>
          <Delete repository={query.data} />
          <Button
            variant="primary"
            icon={RefreshCw}
            busy={begin.isPending}
            onClick={() => begin.mutate()}
          >
            {words.repositories.scan}
          </Button>
        </>
      }
    >
      <ActError error={begin.error} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,5fr)_minmax(0,3fr)]">
        <div className="space-y-4">
          <Place repository={query.data} />
          <FindingsCard name={name} />
        </div>
        <div className="space-y-4">
          <UsedBy name={name} />
          <Key repository={query.data} />
          <Later>{text.capacity}</Later>
        </div>
      </div>
    </Page>
  );
}

function Place({ repository }: { repository: Repository }) {
  const { url, region, endpoint, credentials } = placeOf(repository);
  const { createdAt, revision, repositoryId } = repository.status;
  return (
    <Card>
      <CardHeader title={text.place} />
      <CardBody>
        <Facts
          facts={[
            { name: text.url, value: <code className="text-sm break-all">{url}</code>, wide: true },
            {
              name: text.region,
              value: region ?? <span className="text-ink-2">{words.repositories.noRegion}</span>,
            },
            {
              name: text.endpoint,
              value: endpoint ? <code className="text-sm break-all">{endpoint}</code> : <None />,
            },
            {
              name: text.credentials,
              value: credentials ? text.secret(credentials.secret) : text.agentsOwn,
            },
            {
              name: text.id,
              value: repositoryId ? (
                <code className="text-xs break-all">{repositoryId}</code>
              ) : (
                text.uninitialised
              ),
            },
            { name: text.declared, value: <Time at={createdAt} /> },
            { name: text.revision, value: <span className="num">{revision}</span> },
          ]}
        />
      </CardBody>
    </Card>
  );
}

function UsedBy({ name }: { name: string }) {
  const known = useWholeList(policies.list());
  const declared = useWholeList(clusters.list());
  const held = useMemo(() => clustersBy(declared.items), [declared.items]);
  const uses = usesOf(name, known.items);
  return (
    <Card>
      <CardHeader
        title={text.used}
        about={text.usedAbout}
        actions={
          <Link
            to="/catalog"
            search={{ repository: name } as never}
            className="rounded-sm text-sm font-medium text-accent hover:underline"
          >
            {text.toCatalog}
          </Link>
        }
      />
      <CardBody>
        {known.error !== null && <ErrorState compact error={known.error} retry={known.retry} />}
        {known.pending && <Skeleton className="w-40" />}
        {known.complete && uses.length === 0 && <p className="text-ink-2">{text.noPolicy}</p>}
        <ul className="divide-y divide-line">
          {uses.map(({ policy, copy }, index) => (
            <li key={index} className="flex flex-wrap items-center gap-2 py-2">
              <Link
                to="/policies/$policy"
                params={{ policy }}
                className="rounded-sm font-medium hover:underline"
              >
                {policy}
              </Link>
              <Badge tone={copy === undefined ? 'info' : 'idle'}>
                {copy === undefined ? text.first : text.copy}
              </Badge>
              {copy?.within !== undefined && (
                <span className="text-sm text-ink-2">{text.within(copy.within)}</span>
              )}
              {declared.complete && (
                <Link
                  to="/policies/$policy"
                  params={{ policy }}
                  search={{ tab: 'clusters' }}
                  className="num ml-auto rounded-sm text-sm underline decoration-line-strong underline-offset-4"
                >
                  {text.clusters(held.get(policy)?.length ?? 0)}
                </Link>
              )}
            </li>
          ))}
        </ul>
      </CardBody>
    </Card>
  );
}

function Key({ repository }: { repository: Repository }) {
  const [open, setOpen] = useState(false);
  const { key } = placeOf(repository);
  return (
    <Card>
      <CardHeader
        title={text.key}
        about={key ? text.keyGiven(key.secret) : text.keyMade}
        actions={
          <Button size="sm" icon={KeyRound} onClick={() => setOpen(true)}>
            {text.export}
          </Button>
        }
      />
      <CardBody>
        <p className="text-ink-2">{text.keyAbout}</p>
      </CardBody>
      {open && <KeyExport name={repository.metadata.name} onClose={() => setOpen(false)} />}
    </Card>
  );
}

function Delete({ repository }: { repository: Repository }) {
  const { name } = repository.metadata;
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const act = useAct({
    run: () => deleteRepository(name, revisionOf(repository)),
    stale: ['repositories'],
    said: () => text.deleted(name),
    onDone: () => void navigate({ to: '/repositories' }),
  });
  return (
    <>
      <Button icon={Trash2} onClick={() => setOpen(true)}>
        {text.delete}
      </Button>
      <ConfirmAct
        open={open}
        onOpenChange={setOpen}
        title={text.deleteTitle(name)}
        action={text.delete}
        act={act}
        onConfirm={() => act.mutate()}
        equivalent={{
          cli: `holdfast delete repository ${name}`,
          api: { method: 'DELETE', path: `/api/v1/repositories/${name}` },
        }}
      >
        <p>{text.deleteAbout}</p>
      </ConfirmAct>
    </>
  );
}
