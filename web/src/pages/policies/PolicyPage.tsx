/** A policy: its promise, whom it holds for, what it said before. */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { Pencil, Trash2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { useMay } from '../../acts/useMay';
import { revisionOf } from '../../api/client';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { deletePolicy, policies, type Policy } from '../../api/queries/policies';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { ErrorState, Skeleton } from '../../ui/States';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { YamlView } from '../../yaml/YamlView';
import { Held } from './detail/Held';
import { Promised } from './detail/Promised';
import { Versions } from './detail/Versions';
import { policyText } from './editor/draft';
import { clustersBy } from './facts';
import { POLICY_TABS } from './route';

const text = words.policies.detail;
const route = getRouteApi('/frame/policies/$policy');

export function PolicyPage() {
  const { policy: name } = route.useParams();
  const { tab = 'promise' } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(policies.detail(name));
  const known = useWholeList(clusters.list());
  const held = useMemo(() => clustersBy(known.items).get(name) ?? [], [known.items, name]);
  const policy = query.data;
  if (policy === undefined) {
    // Of a policy that was deleted the history can be seen still.
    return (
      <Page title={name}>
        {query.error === null ? (
          <Waiting />
        ) : (
          <>
            <ErrorState error={query.error} retry={() => void query.refetch()} />
            <div className="mt-6">
              <Versions name={name} policy={undefined} />
            </div>
          </>
        )}
      </Page>
    );
  }
  const contents = {
    promise: <Promised policy={policy} />,
    clusters: <Held names={held} complete={known.complete} />,
    versions: <Versions name={name} policy={policy} />,
    yaml: <YamlView text={policyText(policy)} label={text.document(name)} />,
  };
  return (
    <Page title={name} actions={<Actions policy={policy} clusters={held.length} />}>
      <Tabs
        label={name}
        value={tab}
        onChange={(next) => void navigate({ search: { tab: next }, replace: true })}
        tabs={POLICY_TABS.map((value) => ({
          value,
          text: text.tabs[value],
          count: value === 'clusters' && known.complete ? held.length : undefined,
          content: contents[value],
        }))}
      />
    </Page>
  );
}

function Actions({ policy, clusters }: { policy: Policy; clusters: number }) {
  const { name } = policy.metadata;
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const may = useMay('policies:write');
  const act = useAct({
    run: () => deletePolicy(name, revisionOf(policy)),
    stale: ['policies', 'clusters', 'exposure', 'approvals'],
    said: () => text.deleted(name),
    onDone: () => void navigate({ to: '/policies' }),
  });
  if (may === false) return <p className="max-w-md text-sm text-ink-2">{text.notYours}</p>;
  return (
    <>
      <Button icon={Trash2} onClick={() => setDeleting(true)}>
        {text.delete}
      </Button>
      <Button asChild variant="primary">
        <Link to="/policies/$policy/edit" params={{ policy: name }}>
          <Pencil aria-hidden className="size-4" />
          {text.edit}
        </Link>
      </Button>
      <ConfirmAct
        open={deleting}
        onOpenChange={setDeleting}
        title={text.deleteTitle(name)}
        action={text.delete}
        act={act}
        onConfirm={() => act.mutate()}
        equivalent={{
          cli: `holdfast delete policy ${name}`,
          api: { method: 'DELETE', path: `/api/v1/policies/${name}` },
        }}
      >
        <p>{text.deleteAbout(clusters)}</p>
        <p>{text.deleteBack}</p>
      </ConfirmAct>
    </>
  );
}

function Waiting() {
  return (
    <div aria-hidden className="space-y-4">
      <Skeleton className="h-9 w-64" />
      <Skeleton className="h-20 w-full" />
      <Skeleton className="h-40 w-full" />
    </div>
  );
}
