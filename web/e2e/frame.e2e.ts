/** Logging in and out, the frame, and a list of 10,000: against canned answers. */
import type { Page } from '@playwright/test';
import { CannedApi } from './api';
import { expect, expectAccessible, expectUsable, look, LOOKS, nameOf, test } from './test';

async function login(page: Page): Promise<void> {
  await page.getByLabel('User').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill('right');
  await page.getByRole('button', { name: 'Log in' }).click();
}

for (const shown of LOOKS) {
  test(`login and clusters can be used by all: ${nameOf(shown)}`, async ({ page }) => {
    await look(page, shown);
    await new CannedApi(page, 40).start();
    await page.goto('/clusters?state=VIOLATED');
    await expect(page).toHaveTitle('Log in · Holdfast');
    await expectAccessible(page);
    await page.getByLabel('User').fill('ada');
    await page.getByLabel('Password', { exact: true }).fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect(page.getByRole('alert')).toContainText('the login is refused');
    await expect(page.getByRole('link', { name: /login_failed/ })).toHaveAttribute(
      'href',
      '/errors/login_failed',
    );
    await expectAccessible(page);
    await login(page);
    // Where one wanted to go, with its filter.
    await expect(page.getByRole('heading', { level: 1, name: 'Clusters' })).toBeVisible();
    await expect(page.getByLabel('State', { exact: true })).toHaveValue('VIOLATED');
    await expect(page.getByText('5 of 40')).toBeVisible();
    await expectUsable(page, '/clusters');
  });
}

test('dialogs, menus and the palette write no styles, and keys reach them', async ({ page }) => {
  await new CannedApi(page).start();
  await page.goto('/');
  await login(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await page.keyboard.press('Control+k');
  const palette = page.getByRole('dialog', { name: 'Search and commands' });
  await expect(palette).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.type('service-00001');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL('/clusters/service-00001');
  await page.getByRole('button', { name: 'Account of ada' }).press('Enter');
  await expect(page.getByRole('menu')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('menuitem', { name: 'Log out everywhere' }).press('Enter');
  const ask = page.getByRole('alertdialog', { name: 'Log out everywhere?' });
  await expect(ask).toBeVisible();
  await expectAccessible(page);
  await ask.getByRole('button', { name: 'Log out everywhere' }).click();
  await expect(page).toHaveURL('/login?return=%2Fclusters%2Fservice-00001');
});

test('a phone has the navigation in a sheet', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await new CannedApi(page).start();
  await page.goto('/');
  await login(page);
  await page.getByRole('button', { name: 'Open navigation' }).click();
  const sheet = page.getByRole('dialog', { name: 'Main navigation' });
  await expect(sheet).toBeVisible();
  await expect(page.getByRole('tooltip')).toHaveCount(0);
  await expectAccessible(page);
  await sheet.getByRole('link', { name: 'Clusters' }).click();
  await expect(sheet).toBeHidden();
  await expect(page.getByText('3 clusters')).toBeVisible();
});

test('a link to the login leads to no other host', async ({ page }) => {
  await new CannedApi(page).start();
  await page.goto('/login?return=//elsewhere.example/x');
  await login(page);
  await expect(page).toHaveURL('/');
});

test('what is no longer current says so, until it is again', async ({ page }) => {
  await page.clock.install();
  const api = new CannedApi(page);
  await api.start();
  await page.goto('/clusters');
  await login(page);
  await expect(page.getByText('3 clusters')).toBeVisible();
  const banner = page.getByText(/no quorum or no leader.*as of \d\d:\d\d:\d\d/);
  api.noLeader = true;
  await afterAWhile(page, () => expect(banner).toBeVisible({ timeout: 500 }));
  // What was known stays to be seen.
  await expect(page.getByText('service-00002')).toBeVisible();
  await expectAccessible(page);
  api.noLeader = false;
  await afterAWhile(page, () => expect(banner).toBeHidden({ timeout: 500 }));
  await expect(page.getByText('service-00002')).toBeVisible();
});

/** What the page does by itself as time passes, which need not be waited for here. */
async function afterAWhile(page: Page, seen: () => Promise<void>): Promise<void> {
  await expect(async () => {
    await page.clock.fastForward(5_000);
    await seen();
  }).toPass({ timeout: 30_000 });
}

test('what is slow is waited for, and is not shown as nothing', async ({ page }) => {
  const api = new CannedApi(page);
  await api.start();
  await page.goto('/audit');
  await login(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Audit' })).toBeVisible();
  let answer = () => {};
  api.slow = new Promise((resolve) => (answer = resolve));
  await page.getByRole('link', { name: 'Clusters' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Clusters' })).toBeVisible();
  await expect(page.locator('[aria-busy="true"]').first()).toBeVisible();
  await expect(page.getByText('No cluster')).toHaveCount(0);
  await expectAccessible(page);
  answer();
  await expect(page.getByText('3 clusters')).toBeVisible();
  await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
});

test('what cannot be read says why, and is read when it is tried again', async ({ page }) => {
  const api = new CannedApi(page);
  await api.start();
  await page.goto('/audit');
  await login(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Audit' })).toBeVisible();
  api.broken = true;
  await page.getByRole('link', { name: 'Clusters' }).click();
  const alert = page.getByRole('alert').filter({ hasText: 'something broke' });
  await expect(alert).toContainText('see the log of the node');
  await expect(alert.getByRole('link', { name: /internal/ })).toHaveAttribute(
    'href',
    '/errors/internal',
  );
  await expect(alert).toContainText('req_0123456789abcdef');
  await expectAccessible(page);
  api.broken = false;
  await alert.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('3 clusters')).toBeVisible();
  await expect(alert).toHaveCount(0);
});

test('10,000 clusters: filtered and sorted in the URL, gone through by keys', async ({ page }) => {
  await new CannedApi(page, 10_000).start();
  await page.goto('/clusters');
  await login(page);
  // How quick that is, `npm run perf` says: here only that it comes.
  await expect(page.getByText('10,000 clusters')).toBeVisible({ timeout: 60_000 });
  const drawn = await page.getByRole('row').count();
  expect(drawn).toBeLessThan(80);
  await page.getByRole('button', { name: 'Would lose' }).click();
  await expect(page).toHaveURL('/clusters?sort=exposure');
  await page.getByRole('table').focus();
  await page.keyboard.press('End');
  await expect(page.locator('[data-row="9999"] a').first()).toBeFocused();
  await page.getByLabel('Name').fill('service-0999');
  await expect(page.getByText('10 of 10,000')).toBeVisible();
  await expect(page).toHaveURL('/clusters?sort=exposure&q=service-0999');
});
