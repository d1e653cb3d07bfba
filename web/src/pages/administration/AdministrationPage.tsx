/** People, tokens, roles, channels, secrets, nodes and snapshots of the state. */
import { getRouteApi } from '@tanstack/react-router';
import { Fingerprint } from 'lucide-react';
import type { ReactNode } from 'react';
import { Page } from '../../frame/Page';
import { EmptyState } from '../../ui/States';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { Access } from './Access';
import { Channels } from './Channels';
import { Nodes } from './Nodes';
import { ADMIN_TABS } from './route';
import { Secrets } from './Secrets';
import { Snapshots } from './Snapshots';
import { Tokens } from './Tokens';
import { Users } from './Users';

const text = words.administration;
const route = getRouteApi('/frame/administration');

export function AdministrationPage() {
  const { tab = 'users' } = route.useSearch();
  const navigate = route.useNavigate();
  const contents: Record<(typeof ADMIN_TABS)[number], ReactNode> = {
    users: <Users />,
    tokens: <Tokens />,
    access: <Access />,
    channels: <Channels />,
    secrets: <Secrets />,
    nodes: <Nodes />,
    snapshots: <Snapshots />,
    sso: (
      <EmptyState icon={Fingerprint} title={text.sso.title}>
        <p>{text.sso.about}</p>
      </EmptyState>
    ),
  };
  return (
    <Page title={text.title} about={text.about}>
      <Tabs
        label={text.title}
        value={tab}
        onChange={(next) => void navigate({ search: { tab: next }, replace: true })}
        tabs={ADMIN_TABS.map((value) => ({
          value,
          text: text.tabs[value],
          content: contents[value],
        }))}
      />
    </Page>
  );
}
