/** One cluster: what would be lost, what can be restored, and everything around that. */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { Database, History } from 'lucide-react';
import { isApiError } from '../../api/problem';
import { clusterParts, type ClusterResource } from '../../api/queries/cluster-parts';
import { clusters } from '../../api/queries/clusters';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { BackUpNow } from './BackUpNow';
import { BackupsTab } from './BackupsTab';
import { CoverageCard } from './coverage/CoverageCard';
import { JobsTab } from './JobsTab';
import { PolicyTab } from './PolicyTab';
import type { ClusterSearch, ClusterTab } from './route';
import { ScheduleTab } from './ScheduleTab';
import { ServersTab } from './ServersTab';
import { SizeTab } from './SizeTab';
import { Summary, Title } from './Summary';

const text = words.cluster;
const route = getRouteApi('/frame/clusters/$cluster');

export function ClusterPage() {
  const { cluster } = route.useParams();
  const detail = useQuery(clusters.detail(cluster));
  if (detail.error !== null && detail.data === undefined) {
    const missing = isApiError(detail.error) && detail.error.status === 404;
    return (
      <Page title={cluster}>
        {missing ? (
          <EmptyState
            icon={Database}
            title={text.notFound}
            actions={
              <Button asChild>
                <Link to="/clusters">{words.clusters.title}</Link>
              </Button>
            }
          />
        ) : (
          <ErrorState error={detail.error} retry={() => void detail.refetch()} />
        )}
      </Page>
    );
  }
  return <Shown name={cluster} resource={detail.data} />;
}

function Shown({ name, resource }: { name: string; resource: ClusterResource | undefined }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const exposure = useQuery(clusterParts.exposure(name));
  const change = (changed: Partial<ClusterSearch>) =>
    void navigate({
      search: (before) => ({ ...before, ...changed }),
      replace: true,
      resetScroll: false,
    });
  const retired = isRetired(resource);
  return (
    <Page
      title={<Title name={name} exposure={exposure.data} retired={retired} />}
      about={
        resource === undefined ? (
          <Skeleton className="mt-1 w-64" />
        ) : (
          <Belongs resource={resource} />
        )
      }
      actions={
        <>
          {!retired && <BackUpNow cluster={name} />}
          <Button variant="primary" asChild>
            <Link to={'/restores/new' as string} search={{ cluster: name } as never}>
              <History aria-hidden className="size-4" />
              {text.restore}
            </Link>
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Summary
          cluster={name}
          exposure={exposure.data}
          pending={exposure.isPending}
          retired={retired}
          resource={resource}
        />
        <CoverageCard key={name} cluster={name} search={search} onSearch={change} />
        <Parts
          name={name}
          resource={resource}
          tab={search.tab ?? 'backups'}
          onTab={(tab) => change({ tab: tab === 'backups' ? undefined : tab })}
        />
      </div>
    </Page>
  );
}

function Parts({
  name,
  resource,
  tab,
  onTab,
}: {
  name: string;
  resource: ClusterResource | undefined;
  tab: ClusterTab;
  onTab: (tab: ClusterTab) => void;
}) {
  return (
    <Tabs<ClusterTab>
      label={text.tabs.label}
      value={tab}
      onChange={onTab}
      tabs={[
        { value: 'backups', text: text.tabs.backups, content: <BackupsTab cluster={name} /> },
        { value: 'jobs', text: text.tabs.jobs, content: <JobsTab cluster={name} /> },
        {
          value: 'servers',
          text: text.tabs.servers,
          content: <ServersTab cluster={name} resource={resource} />,
        },
        { value: 'policy', text: text.tabs.policy, content: <PolicyTab cluster={name} /> },
        { value: 'schedule', text: text.tabs.schedule, content: <ScheduleTab cluster={name} /> },
        { value: 'size', text: text.tabs.size, content: <SizeTab cluster={name} /> },
      ]}
    />
  );
}

/** Its fleet and its policy. */
function Belongs({ resource }: { resource: ClusterResource }) {
  const { status, metadata } = resource;
  const fleet = metadata.fleet ?? 'default';
  const policy = 'policy' in status ? status.policy : undefined;
  return (
    <>
      {text.inFleet}{' '}
      <Link to="/fleets/$fleet" params={{ fleet }} className={LINK}>
        {fleet}
      </Link>{' '}
      {text.underPolicy}{' '}
      {policy == null ? (
        text.noPolicy
      ) : (
        <Link to="/policies/$policy" params={{ policy }} className={LINK}>
          {policy}
        </Link>
      )}
    </>
  );
}

const LINK =
  'font-medium text-ink underline decoration-line-strong underline-offset-4 hover:decoration-ink';

function isRetired(resource: ClusterResource | undefined): boolean {
  return resource !== undefined && 'retired' in resource.status && resource.status.retired;
}
