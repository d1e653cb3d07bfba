/** Logins in two browsers: they last, and end everywhere at once. */
import { Stack } from './stack';
import { expect, expectPage, login, testOf } from './test';

const test = testOf(async () => ({
  // Short, so that a login is renewed while it is looked at.
  stack: await Stack.found(1, { HOLDFAST_ACCESS__ACCESS_TOKEN: '30s' }),
}));

test('a wrong password is refused with its reason', async ({ page }) => {
  await page.goto('/');
  await page.getByLabel('User').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.getByRole('link', { name: /errors|bad_credentials|login/ })).toBeVisible();
  await expect(page).toHaveURL(/\/login/);
});

test('a login is renewed by itself, and no script can read it', async ({ page, world }) => {
  await login(page, 'admin', world.stack.password);
  await page.waitForResponse(
    (it) => it.url().endsWith('/api/v1/auth/session/renew') && it.status() === 200,
    // A fifth of its time before it ends.
    { timeout: 45_000 },
  );
  await page.goto('/clusters');
  await expectPage(page, 'Clusters');
  expect(await page.evaluate(() => document.cookie)).toBe('');
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  expect(kept).not.toMatch(/eyJ|hfr_|token/i);
});

test('a login that is over while a page is open leads back to where one goes', async ({
  page,
  context,
  world,
}) => {
  await login(page, 'admin', world.stack.password);
  await page.goto('/clusters');
  await expectPage(page, 'Clusters');
  // As the browser does when their time is over.
  await context.clearCookies();
  await page.getByRole('link', { name: 'Jobs' }).click();
  await expect(page).toHaveURL('/login?return=%2Fjobs');
  await login(page, 'admin', world.stack.password);
  await expectPage(page, 'Jobs');
});

test('logging out everywhere ends the login of another browser too', async ({
  page,
  browser,
  baseURL,
  world,
}) => {
  await login(page, 'admin', world.stack.password);
  const elsewhere = await browser.newContext({ ...(baseURL !== undefined && { baseURL }) });
  const other = await elsewhere.newPage();
  await login(other, 'admin', world.stack.password);
  await other.goto('/clusters');
  await expectPage(other, 'Clusters');
  await page.getByRole('button', { name: 'Account of admin' }).click();
  await page.getByRole('menuitem', { name: 'Log out everywhere' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Log out everywhere?' });
  await ask.getByRole('button', { name: 'Log out everywhere' }).click();
  await expect(page).toHaveURL(/\/login/);
  // Nobody touches the other browser: its next question is refused, and it says so.
  await expect(other).toHaveURL(/\/login\?return=%2Fclusters/, { timeout: 30_000 });
  await login(other, 'admin', world.stack.password);
  await expectPage(other, 'Clusters');
  await elsewhere.close();
});
