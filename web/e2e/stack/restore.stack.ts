/**
 * An accident is undone: the moment before it is found on the coverage band, planned,
 * restored beside the original, and the rows are there.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './node';
import { query } from './postgres';
import { expect, expectAccessible, expectPage, login } from './test';
import { test } from './protected';
import { frontier } from './world';

test('point-in-time restore by the coverage band', async ({ page, world }) => {
  const { stack, postgres } = world;
  const rows = Number(await postgres.sql('SELECT count(*) FROM orders'));
  // The band is pointed at by the second: before and after are some apart.
  await pause(3_000);
  const good = new Date();
  await pause(3_000);
  await postgres.sql('DELETE FROM orders');
  // What came after the accident is proved, so the moment before it can be chosen.
  await postgres.sql('SELECT pg_switch_wal()');
  await frontier(stack, 'shop', good.getTime() + 4_000);

  await login(page, 'admin', stack.password);
  await page.goto('/clusters/shop');
  await expectPage(page, 'shop');
  const cursor = page.getByRole('slider', { name: 'Point to restore to' });
  const point = page.getByRole('region', { name: 'Restoring there' });
  await expect(point.getByText('Can be restored')).toBeVisible();
  // By keys first: the point moves, and what restoring there means is asked anew.
  const latest = await cursor.getAttribute('aria-valuenow');
  await cursor.press('ArrowLeft');
  await expect(cursor).not.toHaveAttribute('aria-valuenow', latest ?? '');
  // To the second, by the field beside it.
  await point.getByLabel('Point in time').fill(local(good));
  await point.getByLabel('Point in time').press('Enter');
  await expect(cursor).toHaveAttribute('aria-valuenow', String(Math.floor(good.getTime() / 1000)));
  await expect(point.getByText('Can be restored')).toBeVisible();
  await expectAccessible(page);
  await point.getByRole('link', { name: 'Restore to this point' }).click();

  await expect(page).toHaveURL(/\/restores\/new\?.*cluster=shop/);
  // Source and point are chosen; the way goes on from there.
  const next = page.getByRole('button', { name: 'Next' });
  const dir = page.getByLabel('New data directory');
  while (!(await dir.isVisible())) await next.click();
  await page.getByRole('radio', { name: 'db-1' }).check();
  const restored = `${stack.scratch.serverFolder('servers')}/restored`;
  const port = await freePort();
  await dir.fill(restored);
  await page.getByLabel('Port').fill(String(port));
  await expectAccessible(page);
  await next.click();
  await expect(page.getByText('This is what would happen')).toBeVisible();
  await expect(page.getByText('Nothing speaks against it')).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page);
  // The whole way is in the address: another look begins where this one was.
  await page.reload();
  const begin = page.getByRole('button', { name: 'Begin the restore' });
  await begin.click({ timeout: 60_000 });
  await expect(page).toHaveURL(/\/restores\/rst_/);
  await expect(page.getByText('It is there, and is what was planned.')).toBeVisible({
    timeout: 90_000,
  });
  await expectAccessible(page);

  const connection = `host=${restored}/.holdfast port=${port} user=postgres dbname=postgres`;
  expect(Number(await query(connection, 'SELECT count(*) FROM orders'))).toBe(rows);
  // The original is as the accident left it.
  expect(Number(await postgres.sql('SELECT count(*) FROM orders'))).toBe(0);
});

/** As the browser's field for local times has it; tests run in Berlin. */
function local(at: Date): string {
  const parts = new Intl.DateTimeFormat('sv-SE', {
    timeZone: 'Europe/Berlin',
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(at);
  return parts.replace(' ', 'T');
}
