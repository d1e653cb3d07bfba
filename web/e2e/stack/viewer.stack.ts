/** Somebody who may only look: sees every page, and is told why an act is refused. */
import type { Locator, Page } from '@playwright/test';
import { everyPage } from '../pages';
import { test } from './protected';
import { expect, expectAccessible, expectPage, login } from './test';
import { PASSWORD, VIEWER } from './world';

test.beforeEach(async ({ page }) => {
  await login(page, VIEWER, PASSWORD);
});

test('who may only look sees every page without an error', async ({ page }) => {
  for (const { name, path } of await everyPage(page.request)) {
    await test.step(name, async () => {
      await page.goto(path);
      await expectPage(page, /./);
      // To change a policy is an act, and what it would do is not told to everybody.
      const refused = /\/policies\/.*\/edit/.test(path) ? 1 : 0;
      await expect.soft(page.getByText('What this means:'), path).toHaveCount(refused);
    });
  }
  await test.step('what is not theirs is not offered, and says why', async () => {
    await page.goto('/policies/gold');
    await expect(page.getByText(/policies:write for everything/)).toBeVisible();
    await expect(page.getByRole('link', { name: 'Edit' })).toHaveCount(0);
    await page.goto('/administration');
    await expect(page.getByRole('tab', { name: 'API tokens' })).toBeVisible();
    await expect(page.getByRole('tab', { name: 'Secrets' })).toHaveCount(0);
    await page.goto('/administration?tab=secrets');
    await expectRefused(page, page.getByRole('main'), 'secrets:read');
  });
});

/** The refusal whole: what is lacking, what to do, and the page of its code. */
async function expectRefused(page: Page, where: Locator, permission: string): Promise<void> {
  const alert = where.getByRole('alert');
  await expect(alert).toContainText(permission);
  await expect(alert.getByRole('link', { name: /forbidden/ })).toHaveAttribute(
    'href',
    '/errors/forbidden',
  );
  await expect(alert).toContainText('req_');
  await expectAccessible(page);
}

test('what they try is refused where it was tried, and nothing is changed', async ({
  page,
  world: { stack },
}) => {
  const { items } = await stack.cli.json<{ items: { id: string; hold?: object | null }[] }>(
    'backup',
    'list',
    'shop',
  );
  const id = items[0]?.id ?? '';
  await test.step('holding a backup', async () => {
    await page.goto(`/catalog/${id}`);
    await page.getByRole('button', { name: 'Hold', exact: true }).click();
    const ask = page.getByRole('dialog', { name: 'Hold this backup?' });
    await ask.getByLabel('Why').fill('to see whether I may');
    await ask.getByRole('button', { name: 'Hold', exact: true }).click();
    await expectRefused(page, ask, 'backups:write');
    // What was written is still there, for whoever asks others for the right.
    await expect(ask.getByLabel('Why')).toHaveValue('to see whether I may');
  });
  await test.step('taking one', async () => {
    await page.goto('/clusters/shop');
    await page.getByRole('button', { name: 'Back up now' }).first().click();
    const ask = page.getByRole('dialog', { name: 'Back up shop now' });
    await ask.getByRole('button', { name: 'Back up', exact: true }).click();
    await expectRefused(page, ask, 'backups:write');
  });
  await test.step('revoking an agent', async () => {
    await page.goto('/agents/db-1');
    await page.getByRole('button', { name: 'Revoke' }).click();
    const ask = page.getByRole('alertdialog', { name: 'Revoke db-1?' });
    await ask.getByLabel('Type db-1 to confirm').fill('db-1');
    await ask.getByRole('button', { name: 'Revoke' }).click();
    await expectRefused(page, ask, 'agents:write');
    await ask.getByRole('button', { name: 'Cancel' }).click();
    await expect(page.getByText('Online').first()).toBeVisible();
  });
  const after = await stack.cli.json<typeof items extends (infer T)[] ? T : never>(
    'backup',
    'show',
    id,
  );
  expect(after.hold ?? null).toBeNull();
});
