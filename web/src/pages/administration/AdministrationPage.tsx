/** People, tokens, roles, channels, secrets, nodes and snapshots of the state. */
import { getRouteApi } from '@tanstack/react-router';
import { Fingerprint } from 'lucide-react';
import type { ReactNode } from 'react';
import { useMay } from '../../acts/useMay';
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
  const search = route.useSearch();
  const hidden = {
    users: useMay('users:read') === false,
    secrets: useMay('secrets:read') === false,
  };
  const tab = search.tab ?? (hidden.users ? 'tokens' : 'users');
  // What was asked for by its address is answered, if by a refusal.
  const tabs = ADMIN_TABS.filter(
    (it) => it === tab || !(it in hidden && hidden[it as keyof typeof hidden]),
  );
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
        tabs={tabs.map((value) => ({
          value,
          text: text.tabs[value],
          content: contents[value],
        }))}
      />
    </Page>
  );
}
