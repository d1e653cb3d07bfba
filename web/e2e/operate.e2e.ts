/** Repositories, agents, alarms, reports, audit and administration, on canned answers. */
import type { Page } from '@playwright/test';
import { Plane } from './plane';
import { expect, expectAccessible, expectUsable, look, LOOKS, nameOf, test } from './test';

async function open(page: Page, path: string): Promise<Plane> {
  const plane = new Plane(page);
  await plane.start();
  await page.goto(path);
  // Behind a dialog it is hidden to all but eyes.
  await expect(page.locator('h1')).toBeVisible();
  return plane;
}

const PATHS = [
  '/repositories',
  '/repositories/eu',
  '/agents',
  '/agents/db1',
  '/alarms',
  '/alarms?tab=acknowledged',
  '/alarms?tab=closed',
  '/alarms?tab=silences',
  '/alarms?alarm=alm_1',
  '/reports',
  '/audit',
  '/audit?entry=2',
  ...['users', 'tokens', 'access', 'channels', 'secrets', 'nodes', 'snapshots', 'sso'].map(
    (tab) => `/administration?tab=${tab}`,
  ),
];

for (const shown of LOOKS) {
  test(`these pages can be used by all: ${nameOf(shown)}`, async ({ page }) => {
    await look(page, shown);
    await open(page, '/repositories');
    for (const path of PATHS) {
      await page.goto(path);
      await expect(page.locator('h1')).toBeVisible();
      await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
      await expectUsable(page, path);
    }
  });
}

test('a key is shown after a warning and its name, and not kept', async ({ page }) => {
  const plane = await open(page, '/repositories/eu');
  await page.getByRole('button', { name: 'Export the key' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Export the key of eu?' });
  await expectAccessible(page);
  await expect(ask.getByRole('button', { name: 'Show the key' })).toBeDisabled();
  expect(plane.acts).toEqual([]);
  await ask.getByLabel('Type eu to confirm').fill('eu');
  await ask.getByRole('button', { name: 'Show the key' }).click();
  await expect(page.getByText('0123'.repeat(16))).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByText('0123'.repeat(16))).toHaveCount(0);
});

test('enrolling gives a command with the address, the token and the CA', async ({ page }) => {
  const plane = await open(page, '/agents?enrol=true');
  const dialog = page.getByRole('dialog', { name: 'Enrol an agent' });
  await dialog.getByLabel('Name of the agent').fill('db2');
  await dialog.getByLabel('Region').fill('eu-west-1');
  await dialog.getByRole('button', { name: 'Make a token' }).click();
  const command = dialog.getByLabel('Command that enrols the agent', { exact: true });
  await expect(command).toContainText('holdfast-agent enroll --server https://cp1:8443');
  await expect(command).toContainText('--token hfj1.jtk_1.secret.cafe01');
  await expect(command).toContainText('--name db2 --region eu-west-1');
  await expect(dialog.getByText('cafe01', { exact: true })).toBeVisible();
  await expect(dialog.getByText('Waiting for db2 to appear…')).toBeVisible();
  await expectAccessible(page);
  expect(plane.acts[0]).toMatchObject({ body: { ttl: '1h', region: 'eu-west-1' } });
  plane.enrolled = true;
  await expect(dialog.getByText('db2 is enrolled')).toBeVisible();
  await dialog.getByRole('link', { name: 'Show it' }).click();
  await expect(page).toHaveURL('/agents/db2');
});

test('an agent is revoked only once its name is typed', async ({ page }) => {
  const plane = await open(page, '/agents/db1');
  await page.getByRole('button', { name: 'Revoke' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Revoke db1?' });
  await expect(ask.getByRole('button', { name: 'Revoke' })).toBeDisabled();
  await ask.getByLabel('Type db1 to confirm').fill('db1');
  await ask.getByRole('button', { name: 'Revoke' }).click();
  await expect(ask).toBeHidden();
  expect(plane.acts).toMatchObject([{ method: 'POST', path: '/agents/db1/revoke' }]);
});

test('an alarm is taken on with a note, and silenced with a reason and an end', async ({
  page,
}) => {
  const plane = await open(page, '/alarms');
  await expect(page.getByRole('tab', { name: /Open 1/ })).toBeVisible();
  await page.getByRole('link', { name: 'WAL does not arrive' }).click();
  await expect(page).toHaveURL(/alarm=alm_1/);
  const sheet = page.getByRole('dialog');
  await expect(sheet.getByRole('link', { name: 'service-00000' })).toBeVisible();
  await sheet.getByLabel('Note').fill('on it');
  await sheet.getByRole('button', { name: 'Take on' }).click();
  await expect(page.getByText('It is taken on', { exact: false }).first()).toBeVisible();
  expect(plane.acts[0]).toMatchObject({
    path: '/alarms/alm_1/acknowledge',
    body: { note: 'on it' },
  });
  await sheet.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'New silence' }).click();
  const dialog = page.getByRole('dialog', { name: 'Silence alarms?' });
  await expect(dialog.getByText('This silences every alarm')).toBeVisible();
  await dialog.getByLabel('Rule').selectOption('agent_absent');
  await expect(dialog.getByRole('button', { name: 'Silence', exact: true })).toBeDisabled();
  await dialog.getByLabel('Reason').fill('hosts are moved');
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(page).toHaveURL(/tab=silences/);
  expect(plane.acts[1]).toMatchObject({
    path: '/silences',
    body: { rule: 'agent_absent', reason: 'hosts are moved' },
  });
});

test('a report is made, downloaded and made again as known at the same moment', async ({
  page,
}) => {
  const plane = await open(page, '/reports');
  await page.getByLabel('Fleet').first().click();
  await page.getByRole('option', { name: 'payments' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Make and download' }).click();
  expect((await download).suggestedFilename()).toMatch(/^holdfast-payments-.*\.pdf$/);
  await expect(page.getByText('ab'.repeat(32)).first()).toBeVisible();
  await expectAccessible(page);
  expect(plane.acts[0]).toMatchObject({ body: { fleet: 'payments', format: 'pdf' } });
  await page.getByRole('button', { name: 'Make again' }).click();
  await expect(page).toHaveURL(/from=2026-07-01/);
  await expect(page.getByLabel('As known at')).not.toHaveValue('');
});

test('the audit log is filtered in the URL and exported', async ({ page }) => {
  await open(page, '/audit');
  await expect(page.getByRole('link', { name: 'forbidden' })).toHaveAttribute(
    'href',
    '/errors/forbidden',
  );
  await page.getByLabel('Who').fill('user:ada');
  await page.getByLabel('Who').press('Enter');
  await expect(page).toHaveURL(/principal=user(:|%3A)ada/);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export' }).click();
  await page.getByRole('menuitem', { name: 'As CSV' }).click();
  expect((await download).suggestedFilename()).toBe('holdfast-audit.csv');
});

test('a node is removed only where a quorum is left', async ({ page }) => {
  const plane = await open(page, '/administration?tab=nodes');
  await page.getByRole('button', { name: 'Remove: cp2' }).click();
  const refused = page.getByRole('dialog', { name: 'Remove cp2?' });
  await expect(refused.getByText('No quorum would be left')).toBeVisible();
  await expect(refused.getByRole('button', { name: 'Remove', exact: true })).toHaveCount(0);
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Remove: cp3' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Remove cp3?' });
  await expect(ask.getByText('A quorum would be left')).toBeVisible();
  await ask.getByLabel('Type cp3 to confirm').fill('cp3');
  await ask.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(ask).toBeHidden();
  expect(plane.acts).toMatchObject([{ method: 'DELETE', path: '/nodes/cp3' }]);
});

test('a channel says what became of a test, a token is shown once', async ({ page }) => {
  await open(page, '/administration?tab=channels');
  await page.getByRole('button', { name: 'Send a test: on-call' }).click();
  await expect(
    page.getByText('on-call did not take the test message', { exact: true }),
  ).toBeVisible();
  await expect(page.getByText(/^It said: connection refused/)).toBeVisible();
  await page.goto('/administration?tab=tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What it is for').fill('deploy');
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  await expect(page.getByText('hft1.tok_2.text')).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByText('hft1.tok_2.text')).toHaveCount(0);
});
