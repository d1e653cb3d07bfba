/** What is dangerous is done by two people, each in a browser of their own. */
import { expect, expectAccessible, expectPage, login } from './test';
import { test } from './protected';
import { PASSWORD } from './world';

test('a deletion waits for a second person', async ({ page, browser, baseURL, world }) => {
  const { stack } = world;
  const list = () =>
    stack.cli.json<{ items: { id: string; state: string }[] }>('backup', 'list', 'shop');
  const backup = (await list()).items.at(-1)?.id ?? '';
  const stateOf = async () => (await list()).items.find(({ id }) => id === backup)?.state;

  await login(page, 'admin', stack.password);
  await page.goto(`/catalog/${backup}`);
  await expectPage(page, /shop/);
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const ask = page.getByRole('alertdialog', { name: 'Delete this backup?' });
  await expect(ask.getByText('What becomes unrestorable')).toBeVisible();
  const submit = ask.getByRole('button', { name: 'Delete', exact: true });
  await expect(submit).toBeDisabled();
  await ask.getByLabel(/Type shop to confirm/).fill('shop');
  await ask.getByLabel('Reason').fill('the customer has left');
  await expectAccessible(page);
  await submit.click();
  await expect(ask.getByText('Nothing is done yet: others must consent')).toBeVisible();
  expect(await stateOf()).toBe('available');
  await ask.getByRole('link', { name: 'See the request' }).click();
  await expect(page).toHaveURL(/\/approvals\/apr_/);
  await expectAccessible(page);
  // Nobody consents to the own request.
  await expect(page.getByRole('button', { name: 'Consent' })).toHaveCount(0);

  const elsewhere = await browser.newContext({ ...(baseURL !== undefined && { baseURL }) });
  const other = await elsewhere.newPage();
  await login(other, 'ada', PASSWORD);
  await other.goto('/approvals');
  await expect(other.getByText('the customer has left').first()).toBeVisible();
  await other.getByRole('button', { name: 'Consent' }).first().click();
  const consent = other.getByRole('dialog', { name: 'Consent to this?' });
  await expect(consent.getByText('Yours is the last consent that is needed')).toBeVisible();
  await expectAccessible(other);
  expect(await stateOf()).toBe('available');
  await consent.getByRole('button', { name: 'Consent' }).click();
  await expect(other.getByText('Your consent is on record', { exact: true })).toBeVisible();
  await elsewhere.close();

  // The first person's page says so by itself.
  await expect(page.getByText('Done').first()).toBeVisible();
  await expect.poll(stateOf).toBe('condemned');
  await page.goto(`/catalog/${backup}`);
  await expect(page.getByText('Condemned').first()).toBeVisible();
});
