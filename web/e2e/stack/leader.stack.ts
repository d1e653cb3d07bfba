/** A node that leads is killed while the console is open. */
import type { Page } from '@playwright/test';
import type { Schemas } from '../../src/api/client';
import type { Node } from './node';
import { until } from './process';
import { Stack } from './stack';
import { expect, expectAccessible, expectPage, login, testOf } from './test';

const test = testOf(async () => {
  const stack = await Stack.found(3);
  // A cluster names an agent that there is; nothing of it is looked at here.
  await stack.agent('db-1');
  return { stack };
});
test.describe.configure({ mode: 'serial' });
// What the browser says of a node that is away is what is tried here.
test.use({ expected: /Failed to load resource: net::ERR_|asked another host: http:..127.0.0.1/ });

async function leader(stack: Stack): Promise<Node> {
  return until('a leader', async () => {
    const ran = await stack.cli.run('node', 'list', '-o', 'json');
    if (ran.code !== 0) return undefined;
    const { items } = JSON.parse(ran.stdout) as Schemas['List_Node'];
    const name = items.find((it) => it.role === 'leader')?.name;
    return stack.nodes.find((it) => it.name === name);
  });
}

/** Something new, which a page can know only from who answers now. */
async function declare(stack: Stack, name: string): Promise<void> {
  await stack.cli.apply(`apiVersion: holdfast/v1
kind: Cluster
metadata: {name: ${name}}
spec: {instances: [{agent: db-1, connection: host=/nonexistent user=holdfast}]}
`);
}

async function openAt(page: Page, stack: Stack, node: Node): Promise<void> {
  await page.goto(`${node.console}/login`);
  await login(page, 'admin', stack.password);
  await page.goto(`${node.console}/clusters`);
  await expectPage(page, 'Clusters');
}

test('at another node, the page goes on by itself', async ({ page, world: { stack } }) => {
  const killed = await leader(stack);
  const other = stack.nodes.find((it) => it !== killed);
  if (other === undefined) throw new Error('there is one node only');
  await openAt(page, stack, other);
  await killed.kill();
  const next = await leader(stack);
  expect(next.name).not.toBe(killed.name);
  await declare(stack, 'after-the-leader');
  await expect(page.getByRole('link', { name: 'after-the-leader' })).toBeVisible({
    timeout: 30_000,
  });
  await expect(page).toHaveURL(`${other.console}/clusters`);
  await killed.start();
});

test('at the leader itself, the page says so, and recovers with it', async ({
  page,
  world: { stack },
}) => {
  const node = await leader(stack);
  await openAt(page, stack, node);
  await node.kill();
  const banner = page.getByText(/The control plane does not answer.*as of \d\d:\d\d:\d\d/);
  await expect(banner).toBeVisible({ timeout: 40_000 });
  // What was known stays to be seen.
  await expect(page.getByRole('link', { name: 'after-the-leader' })).toBeVisible();
  await expectAccessible(page);
  await leader(stack);
  await declare(stack, 'while-away');
  await node.start();
  await expect(banner).toBeHidden({ timeout: 40_000 });
  await expect(page.getByRole('link', { name: 'while-away' })).toBeVisible();
  await expect(page).toHaveURL(`${node.console}/clusters`);
});

test('without a quorum, the page says so until there is one', async ({
  page,
  world: { stack },
}) => {
  const [mine, ...others] = stack.nodes;
  if (mine === undefined) throw new Error('there is no node');
  await openAt(page, stack, mine);
  await Promise.all(others.map((it) => it.kill()));
  const banner = page.getByText(/no quorum or no leader.*as of \d\d:\d\d:\d\d/);
  await expect(banner).toBeVisible({ timeout: 60_000 });
  await Promise.all(others.map((it) => it.start()));
  await expect(banner).toBeHidden({ timeout: 60_000 });
  await declare(stack, 'with-a-quorum');
  await expect(page.getByRole('link', { name: 'with-a-quorum' })).toBeVisible({ timeout: 30_000 });
});

test('a node is removed where a quorum is left, and only there', async ({
  page,
  world: { stack },
}) => {
  const leads = await leader(stack);
  const [lost, stays] = stack.nodes.filter((it) => it !== leads);
  if (lost === undefined || stays === undefined) throw new Error('there are no three nodes');
  await openAt(page, stack, leads);
  await lost.kill();
  await page.goto(`${leads.console}/administration?tab=nodes`);
  await expect(page.getByText('not heard')).toBeVisible({ timeout: 40_000 });

  // Without the one that is lost, the other is needed.
  await page.getByRole('button', { name: `Remove: ${stays.name}` }).click();
  const refused = page.getByRole('dialog', { name: `Remove ${stays.name}?` });
  await expect(refused.getByText('No quorum would be left')).toBeVisible();
  await expect(refused.getByRole('button', { name: 'Remove', exact: true })).toHaveCount(0);
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: `Remove: ${lost.name}` }).click();
  const ask = page.getByRole('alertdialog', { name: `Remove ${lost.name}?` });
  await expect(ask.getByText('A quorum would be left')).toBeVisible();
  await ask.getByLabel(`Type ${lost.name} to confirm`).fill(lost.name);
  await ask.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(ask).toBeHidden();
  await expect(page.getByRole('button', { name: `Remove: ${lost.name}` })).toHaveCount(0);
  const { items } = await stack.cli.json<Schemas['List_Node']>('node', 'list');
  expect(items.map(({ name }) => name).sort()).toEqual([leads.name, stays.name].sort());
});
