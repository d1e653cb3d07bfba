/**
 * From the first login to the first verified backup: an empty control plane teaches what
 * is missing, and each step is done where it says.
 */
import type { Page } from '@playwright/test';
import { expect, expectAccessible, expectPage, login, testOf } from './test';
import { emptyWorld, ORDERS } from './world';

const test = testOf(emptyWorld);

test('first login to first verified backup', async ({ page, world: { stack, postgres } }) => {
  await postgres.sql(ORDERS);

  await test.step('the first login: nothing is protected, and the page says what to do', async () => {
    await page.goto('/');
    await login(page, 'admin', stack.password);
    await expectPage(page, 'Overview');
    await expect(page.getByText('Nothing is protected yet')).toBeVisible();
    await expectAccessible(page);
    for (const [path, says] of [
      ['/clusters', 'No cluster'],
      ['/repositories', 'No repository yet'],
      ['/policies', 'No policy yet'],
      ['/agents', 'No agent yet'],
      ['/drills', 'No drill yet'],
      ['/catalog', 'No backup yet'],
    ] as const) {
      await page.goto(path);
      await expect(page.getByText(says).first()).toBeVisible();
    }
  });

  await test.step('an agent is let in by the command that the page shows', async () => {
    await page.goto('/agents');
    await page.getByRole('button', { name: 'Enrol an agent' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Enrol an agent' });
    await dialog.getByLabel('Name of the agent').fill('db-1');
    await dialog.getByRole('button', { name: 'Make a token' }).click();
    const shown = dialog.getByText(/holdfast-agent enroll/);
    await expect(shown).toContainText(`--server ${stack.founder.grpc}`);
    const token = /--token (\S+)/.exec(await shown.innerText())?.[1];
    await expect(dialog.getByText('Waiting for db-1 to appear…')).toBeVisible();
    await stack.agentWith(token ?? '', 'db-1');
    await expect(dialog.getByText('db-1 is enrolled')).toBeVisible();
    await dialog.getByRole('link', { name: 'Show it' }).click();
    await expectPage(page, 'db-1');
    await expect(page.getByText('Online').first()).toBeVisible();
  });

  await test.step('a repository is declared', async () => {
    await page.goto('/repositories');
    await page.getByRole('button', { name: 'New repository' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New repository' });
    await dialog.getByLabel('Name', { exact: true }).fill('vault');
    await dialog.getByLabel('URL').fill(stack.repository());
    await dialog.getByRole('button', { name: 'Declare' }).click();
    await expectPage(page, 'vault');
  });

  await test.step('a policy is written, its dry run seen, and created', async () => {
    await page.goto('/policies');
    await page.getByRole('link', { name: 'New policy' }).first().click();
    await page.getByRole('button', { name: 'Begin with an empty document' }).click();
    await page.getByText('YAML', { exact: true }).click();
    await page.getByLabel('The policy as YAML').fill(POLICY);
    const dry = page.getByRole('region', { name: 'What it would do' });
    await expect(page.getByText('Up to date with what is written').first()).toBeVisible();
    await expect(dry.getByText('No cluster is affected.')).toBeVisible();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Review and create' }).click();
    const review = page.getByRole('dialog', { name: 'Save this policy?' });
    await review.getByRole('button', { name: 'Create' }).click();
    await expectPage(page, 'gold');
  });

  await test.step('the cluster is declared as the page says, and appears by itself', async () => {
    await page.goto('/clusters');
    await expect(page.getByText('holdfast apply -f cluster.yaml').first()).toBeVisible();
    await stack.cli.apply(`apiVersion: holdfast/v1
kind: Cluster
metadata: {name: shop, labels: {tier: gold}}
spec:
  instances:
    - {agent: db-1, connection: "${postgres.connection()}"}
`);
    await page.getByRole('link', { name: 'shop' }).first().click();
    await expectPage(page, 'shop');
  });

  await test.step('a backup is taken and followed to its end', () => backUp(page));

  await test.step('a drill proves it', async () => {
    await page.goto('/drills?view=proof');
    await page.getByRole('button', { name: /shop/ }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Run a drill' });
    const run = dialog.getByRole('button', { name: 'Run the drill' });
    await run.click();
    // The primary's host is not taken unasked; the refusal says what to do.
    await expect(dialog.getByRole('alert')).toContainText('name an agent');
    await dialog.getByLabel('Where').selectOption('agent');
    await dialog.getByRole('combobox', { name: 'Agent' }).fill('db-1');
    await page.getByRole('option', { name: 'db-1' }).click();
    await run.click();
    await expect(dialog).toBeHidden();
    await page.goto('/drills?view=proof');
    await expect(page.getByText('Proven', { exact: true }).first()).toBeVisible({
      timeout: 60_000,
    });
    await page.goto('/drills');
    await page.getByRole('link', { name: /drl_/ }).first().click();
    await expectPage(page, /./);
    await expect(page.getByText('Passed').first()).toBeVisible();
    await expectAccessible(page);
  });

  await test.step('and the overview tells the truth of it', async () => {
    await page.goto('/');
    await expect(
      page.getByText('The only cluster would lose no more than its RPO now'),
    ).toBeVisible({ timeout: 60_000 });
    await expectAccessible(page);
  });
});

async function backUp(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Back up now' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Back up shop now' });
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Back up', exact: true }).click();
  await page.getByRole('link', { name: 'See the job' }).click();
  await expect(page).toHaveURL(/\/jobs\/job_/);
  await expect(page.getByText('Succeeded').first()).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page);
  await page.goto('/catalog');
  // Not the choice of the filter that has the same name.
  const available = page.getByText('Available').and(page.locator(':not(option)'));
  await expect(available.first()).toBeVisible();
}

const POLICY = `apiVersion: holdfast/v1
kind: Policy
metadata:
  name: gold
spec:
  selector:
    tier: gold
  objectives:
    rpo: 1m
  repository: vault
  wal:
    mode: streaming
    flushEvery: 1s
`;
