/** What people do to what is there: each act is asked for in the console, and is so. */
import type { Schemas } from '../../src/api/client';
import type { Backup } from '../../src/api/queries/backups';
import { until } from './process';
import { test } from './protected';
import type { Stack } from './stack';
import { expect, expectAccessible, expectPage, login } from './test';
import { PASSWORD } from './world';

test.beforeEach(async ({ page, world }) => {
  await login(page, 'admin', world.stack.password);
});

async function newest(stack: Stack): Promise<Backup> {
  const { items } = await stack.cli.json<{ items: Backup[] }>('backup', 'list', 'shop');
  const [first] = items;
  if (first === undefined) throw new Error('there is no backup');
  return first;
}

test('a backup is held, cannot be deleted then, and is let go by two', async ({
  page,
  world: { stack },
}) => {
  const { id } = await newest(stack);
  const hold = async () => (await stack.cli.json<Backup>('backup', 'show', id)).hold;
  await page.goto(`/catalog/${id}`);
  await expectPage(page, /shop/);
  await page.getByRole('button', { name: 'Hold', exact: true }).click();
  const ask = page.getByRole('dialog', { name: 'Hold this backup?' });
  await ask.getByRole('button', { name: 'Hold', exact: true }).click();
  await expect(ask.getByText('Say why: others will read it')).toBeVisible();
  await ask.getByLabel('Why').fill('the auditors look at it');
  await ask.getByRole('button', { name: 'Hold', exact: true }).click();
  await expect(ask).toBeHidden();
  await expect(page.getByText('Held by admin')).toBeVisible();
  expect((await hold())?.reason).toBe('the auditors look at it');

  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const refused = page.getByRole('dialog', { name: 'Delete this backup?' });
  await expect(refused.getByText('It would be refused now')).toBeVisible();
  await expect(refused.getByRole('button', { name: 'Delete', exact: true })).toHaveCount(0);
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'End the hold' }).click();
  const end = page.getByRole('alertdialog', { name: 'End the hold?' });
  await end.getByRole('button', { name: 'End the hold' }).click();
  // As the policy has it for deleting, another person has to consent.
  await expect(end.getByText('Nothing is done yet: others must consent')).toBeVisible();
  expect(await hold()).not.toBeNull();
  await end.getByRole('link', { name: 'See the request' }).click();
  await expect(page).toHaveURL(/\/approvals\/apr_/);
  const ada = stack.cliOf('cli-ada');
  await ada.login('ada', PASSWORD);
  await ada.do(['approval', 'approve', page.url().split('/').at(-1) ?? '']);
  await expect(page.getByText('Done').first()).toBeVisible();
  await page.goto(`/catalog/${id}`);
  await expect(page.getByText('Nobody holds it. It expires as the policy says.')).toBeVisible();
  expect((await hold()) ?? null).toBeNull();
});

test('a backup is copied to another repository', async ({ page, world: { stack } }) => {
  const { id } = await newest(stack);
  await page.goto(`/catalog/${id}`);
  await page.getByRole('button', { name: 'Copy', exact: true }).click();
  const ask = page.getByRole('dialog', { name: 'Copy this backup' });
  await ask.getByRole('combobox', { name: 'To repository' }).fill('sec');
  await page.getByRole('option', { name: 'second' }).click();
  await ask.getByRole('button', { name: 'Copy', exact: true }).click();
  await expect(ask).toBeHidden();
  await page.getByRole('link', { name: /^job_/ }).first().click();
  await expect(page).toHaveURL(/\/jobs\/job_/);
  await expect(page.getByText('Succeeded').first()).toBeVisible({ timeout: 60_000 });
  await page.goto(`/catalog/${id}`);
  await expect(page.getByRole('link', { name: 'second' })).toBeVisible();
  const { repositories } = await stack.cli.json<Backup>('backup', 'show', id);
  expect([...repositories].sort()).toEqual(['second', 'vault']);
});

test('a job that waits for its agent says so, and is cancelled', async ({
  page,
  world: { stack },
}) => {
  await page.goto('/clusters/idle');
  await expectPage(page, 'idle');
  await page.getByRole('button', { name: 'Back up now' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Back up idle now' });
  await dialog.getByRole('button', { name: 'Back up', exact: true }).click();
  await page.getByRole('link', { name: 'See the job' }).click();
  await expectPage(page, 'Backup of idle');
  await expect(page.getByText(/db-2/).first()).toBeVisible();
  const job = page.url().split('/').at(-1) ?? '';
  await page.getByRole('button', { name: 'Cancel: Backup of idle' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Cancel: Backup of idle?' });
  await ask.getByRole('button', { name: 'Cancel job' }).click();
  await expect(ask).toBeHidden();
  await expect(page.getByText('Cancelled').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Cancel: Backup of idle' })).toHaveCount(0);
  expect((await stack.cli.json<Schemas['Job']>('job', 'show', job)).state).toBe('cancelled');
});

test('an alarm is taken on, and its like are silenced for a while', async ({
  page,
  world: { stack },
}) => {
  const alarm = await until('an alarm of idle', async () => {
    const { items } = await stack.cli.json<Schemas['List_Alarm']>('alarm', 'list');
    return items.find(({ cluster, rule }) => cluster === 'idle' && rule === 'agent_absent');
  });
  await page.goto(`/alarms?cluster=idle&alarm=${alarm.id}`);
  const sheet = page.getByRole('dialog', { name: /agent away/i });
  await sheet.getByLabel('Note').fill('its host is moved');
  await sheet.getByRole('button', { name: 'Take on' }).click();
  await expect(sheet.getByText(/^admin, /)).toBeVisible();
  await expect(sheet.getByText('its host is moved')).toBeVisible();
  await expectAccessible(page);

  await sheet.getByRole('button', { name: 'Silence' }).click();
  const ask = page.getByRole('dialog', { name: 'Silence alarms?' });
  await ask.getByLabel('Reason').fill('until it is back');
  await ask.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(ask).toBeHidden();
  await page.goto('/alarms?tab=silences');
  await expect(page.getByText('until it is back')).toBeVisible();
  const silences = () => stack.cli.json<Schemas['List_Silence']>('alarm', 'silences');
  expect((await silences()).items).toMatchObject([
    { rule: 'agent_absent', cluster: 'idle', reason: 'until it is back' },
  ]);
  await page.getByRole('button', { name: /^End/ }).click();
  const end = page.getByRole('alertdialog', { name: 'End this silence?' });
  await end.getByRole('button', { name: 'End', exact: true }).click();
  await expect(page.getByText('No silence')).toBeVisible();
  const shown = await stack.cli.json<Schemas['Alarm']>('alarm', 'show', alarm.id);
  expect(shown).toMatchObject({ acknowledgedBy: 'user:admin', note: 'its host is moved' });
});

test('an agent is revoked, and stays so', async ({ page, world: { stack } }) => {
  // One of its own: others need theirs.
  await stack.agent('db-9');
  await page.goto('/agents/db-9');
  await expectPage(page, /db-9/);
  await expect(page.getByText('Online').first()).toBeVisible();
  await page.getByRole('button', { name: 'Revoke' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Revoke db-9?' });
  await expect(ask.getByRole('button', { name: 'Revoke' })).toBeDisabled();
  await ask.getByLabel('Type db-9 to confirm').fill('db-9');
  await ask.getByRole('button', { name: 'Revoke' }).click();
  await expect(ask).toBeHidden();
  await expect(page.getByText('Revoked').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Revoke' })).toHaveCount(0);
  await page.reload();
  await expect(page.getByText('Revoked').first()).toBeVisible();
});
