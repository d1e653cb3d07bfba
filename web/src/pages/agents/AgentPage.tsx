/** An agent: how it is, and the servers it sees. */
import { useQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { ShieldX } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { Later } from '../../acts/Later';
import { useAct } from '../../acts/useAct';
import { agents, revokeAgent, type Agent } from '../../api/queries/agents';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Facts } from '../../ui/Facts';
import { ErrorState, Skeleton } from '../../ui/States';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { AgentPill } from './AgentPill';
import { CertificateEnd } from './columns';
import { Server } from './Server';

const text = words.agents;
const route = getRouteApi('/frame/agents/$agent');

export function AgentPage() {
  const { agent: name } = route.useParams();
  const query = useQuery({ ...agents.detail(name), refetchInterval: 10_000 });
  const agent = query.data;
  if (agent === undefined) {
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
      title={
        <span className="flex flex-wrap items-center gap-3">
          {name}
          <AgentPill state={agent.state} />
        </span>
      }
      actions={agent.state !== 'revoked' && <Revoke agent={agent} />}
    >
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,5fr)]">
        <div className="space-y-4">
          <Card>
            <CardHeader title={text.detail.facts} />
            <CardBody>
              <Facts
                className="xl:grid-cols-1"
                facts={[
                  {
                    name: text.columns.seen,
                    value: agent.lastSeenAt ? <Time at={agent.lastSeenAt} /> : text.neverSpoke,
                  },
                  { name: text.columns.version, value: agent.version ?? text.noVersion },
                  { name: text.columns.region, value: agent.region ?? <None /> },
                  { name: text.columns.expires, value: <CertificateEnd agent={agent} /> },
                  { name: text.detail.enrolled, value: <Time at={agent.enrolledAt} /> },
                  {
                    name: text.detail.id,
                    value: <code className="text-xs break-all">{agent.id}</code>,
                  },
                ]}
              />
              <Link
                to="/alarms"
                search={{ rule: 'agent_absent' }}
                className="mt-3 inline-block rounded-sm text-sm font-medium text-accent hover:underline"
              >
                {text.detail.alarms}
              </Link>
            </CardBody>
          </Card>
          <Later>{text.detail.later}</Later>
        </div>
        <section className="min-w-0 space-y-3">
          <h2 className="text-base font-semibold">{text.detail.servers}</h2>
          {agent.instances.length === 0 && <p className="text-ink-2">{text.detail.noServers}</p>}
          {agent.instances.map((server, index) => (
            <Server key={index} server={server} />
          ))}
        </section>
      </div>
    </Page>
  );
}

function Revoke({ agent: { name } }: { agent: Agent }) {
  const [open, setOpen] = useState(false);
  const act = useAct({
    run: () => revokeAgent(name),
    stale: ['agents', 'clusters', 'exposure'],
    said: () => text.revoked(name),
    onDone: () => setOpen(false),
  });
  return (
    <>
      <Button icon={ShieldX} onClick={() => setOpen(true)}>
        {text.revoke}
      </Button>
      <ConfirmAct
        open={open}
        onOpenChange={setOpen}
        title={text.revokeTitle(name)}
        action={text.revoke}
        typed={name}
        act={act}
        onConfirm={() => act.mutate()}
        equivalent={{
          cli: `holdfast agent revoke ${name}`,
          api: { method: 'POST', path: `/api/v1/agents/${name}/revoke` },
        }}
      >
        <p>{text.revokeAbout}</p>
        <p>{text.revokeThen}</p>
      </ConfirmAct>
    </>
  );
}
