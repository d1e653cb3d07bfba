/** Overview, cluster with its band, compliance, fleets, many clusters: on canned answers. */
import type { Page } from '@playwright/test';
import { CannedApi } from './api';
import { CannedBand } from './band';
import { expect, expectAccessible, expectUsable, look, LOOKS, nameOf, test } from './test';
import { CannedWorld } from './world';

const CLUSTER = 'service-00002';

async function open(page: Page, path: string, size = 24) {
  const api = new CannedApi(page, size);
  await api.start();
  const world = new CannedWorld(size);
  await world.start(page);
  const band = new CannedBand(CLUSTER);
  await band.start(page);
  await page.goto(path);
  await page.getByLabel('User').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill('right');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  return { world, band };
}

const PAGES = [
  { path: '/', seen: '3 of 24 clusters could lose more than their RPO now.' },
  { path: `/clusters/${CLUSTER}`, seen: 'Can be restored' },
  { path: `/clusters/${CLUSTER}?tab=servers`, seen: 'No server is declared' },
  { path: '/compliance', seen: /10 of 24 clusters were above their RPO/ },
  { path: '/compliance?tab=violations', seen: '17 violations' },
  { path: '/compliance?tab=exemptions', seen: 'it moves to another host' },
  { path: '/fleets', seen: 'Everything of payments' },
  { path: '/fleets/payments', seen: '1 of 8 clusters could lose more than its RPO now.' },
  { path: '/unprotected', seen: 'Nobody declared it' },
] as const;

for (const shown of LOOKS) {
  test(`pages can be used by all: ${nameOf(shown)}`, async ({ page }) => {
    await look(page, shown);
    await open(page, '/clusters');
    for (const { path, seen } of PAGES) {
      await page.goto(path);
      await expect(page.getByText(seen).filter({ visible: true }).first()).toBeVisible();
      await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
      await expectUsable(page, path);
    }
  });
}

test('every number of the overview leads to its list', async ({ page }) => {
  await open(page, '/');
  await page.getByRole('link', { name: '3 of 24 clusters' }).click();
  await expect(page).toHaveURL('/clusters?state=VIOLATED');
  await expect(page.getByText('3 of 24', { exact: true })).toBeVisible();
  await page.goBack();
  await page.getByRole('link', { name: '1 server was found' }).click();
  await expect(page).toHaveURL('/unprotected');
});

test('the band by keys: a gap says so, and the nearest point leads to a restore', async ({
  page,
}) => {
  const { band } = await open(page, `/clusters/${CLUSTER}`);
  const line = page.getByRole('slider', { name: 'Point to restore to' });
  await line.focus();
  await expect(line).toHaveAttribute('aria-valuetext', /restorable$/);
  await page.keyboard.press('PageUp');
  await expect(page).toHaveURL(/at=/);
  const before = band.asked.length;
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => band.asked.length).toBeGreaterThan(before);
  // Zoomed by keys, and the URL keeps it.
  await page.keyboard.press('+');
  await expect(page).toHaveURL(/from=.*to=|to=.*from=/);
  const gap = new Date(band.ago(12, 4)).toISOString();
  await page.goto(`/clusters/${CLUSTER}?at=${gap}`);
  await expect(page.getByText('Cannot be restored')).toBeVisible();
  await expect(page.getByText(/is missing on the way/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Restore to this point' })).toBeDisabled();
  await expect(line).toHaveAttribute('aria-valuetext', /in a gap$/);
  await page.getByTitle('The last moment before it that can be restored').click();
  await expect(page.getByText('Can be restored', { exact: true })).toBeVisible();
  const at = new URL(page.url()).searchParams.get('at');
  await page.getByRole('link', { name: 'Restore to this point' }).click();
  await expect(page).toHaveURL(/\/restores\/new\?/);
  const search = new URL(page.url()).searchParams;
  expect(search.get('cluster')).toBe(CLUSTER);
  expect(search.get('at')).toBe(at);
});

test('the band by pointer: what is dragged is asked once it rests', async ({ page }) => {
  // Time goes on when told: however slowly it is dragged here, it rests once.
  await page.clock.install();
  const { band } = await open(page, `/clusters/${CLUSTER}?range=30d`);
  const line = page.getByRole('slider', { name: 'Point to restore to' });
  await expect(line).toBeVisible();
  await line.scrollIntoViewIfNeeded();
  const box = await page.getByRole('img', { name: /^eu-main/ }).boundingBox();
  if (box === null) throw new Error('no lane');
  await page.clock.pauseAt(Date.now() + 1000);
  const asked = band.asked.length;
  const y = box.y + 40;
  await page.mouse.move(box.x + box.width * 0.9, y);
  await page.mouse.down();
  for (let step = 0; step < 20; step += 1) {
    await page.mouse.move(box.x + box.width * (0.9 - step * 0.01), y);
  }
  expect(band.asked.length).toBe(asked);
  await page.mouse.up();
  await page.clock.resume();
  await expect(page).toHaveURL(/at=/);
  await expect.poll(() => band.asked.length).toBeGreaterThan(asked);
  const at = Date.parse(new URL(page.url()).searchParams.get('at') ?? '');
  expect(Math.abs(at - (band.now - 30 * 86_400_000 * 0.29))).toBeLessThan(8 * 3_600_000);
  expect(band.asked.length - asked).toBeLessThan(3);
});

test('a backup is asked for, with the same command and call', async ({ page }) => {
  const { world } = await open(page, `/clusters/${CLUSTER}`);
  await page.getByRole('button', { name: 'Back up now' }).click();
  const dialog = page.getByRole('dialog', { name: `Back up ${CLUSTER} now` });
  await dialog.getByLabel('What').selectOption('incremental');
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'CLI and API' }).click();
  await expect(page.getByText(`holdfast backup run ${CLUSTER} --kind incremental`)).toBeVisible();
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Back up', exact: true }).click();
  await expect(page.getByText('The backup is queued').first()).toBeVisible();
  expect(world.sent).toEqual([
    { method: 'POST', path: `/clusters/${CLUSTER}/backups`, body: { kind: 'incremental' } },
  ]);
});

test('a day of the heatmap leads to its violation on the timeline, by keys', async ({ page }) => {
  await open(page, `/compliance?cluster=${CLUSTER}`);
  const today = page.getByRole('link', { name: /above the RPO/ }).last();
  await expect(today).toBeVisible();
  await today.focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowRight');
  await expect(today).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(new RegExp(`/clusters/${CLUSTER}\\?from=.*at=`));
  await expect(page.getByRole('slider')).toBeVisible();
});

test('an exemption that needs consent says where it waits', async ({ page }) => {
  const { world } = await open(page, '/compliance');
  await page.getByRole('button', { name: `Excuse ${CLUSTER} for a while` }).click();
  const dialog = page.getByRole('dialog', { name: 'Excuse a cluster from its RPO' });
  await dialog.getByRole('button', { name: 'Ask for it' }).click();
  await expect(dialog.getByText('Others read the reason: say it')).toBeVisible();
  await expectAccessible(page);
  await dialog.getByLabel('Reason').fill('it moves');
  await dialog.getByRole('button', { name: 'Ask for it' }).click();
  await expect(page.getByText('It waits for the consent of another person').first()).toBeVisible();
  await expect(page.getByRole('link', { name: 'See the request' })).toHaveAttribute(
    'href',
    '/approvals/apr_1',
  );
  expect(world.sent[0]).toMatchObject({
    path: `/clusters/${CLUSTER}/exemptions`,
    body: { reason: 'it moves' },
  });
});

test('many clusters get other labels: first what that would do', async ({ page }) => {
  const { world } = await open(page, '/clusters?label=tier=silver&q=service');
  await page.getByRole('button', { name: 'Choose many…' }).click();
  await page.getByRole('checkbox', { name: 'Choose service-00001' }).click();
  await expect(page.getByText('1 chosen')).toBeVisible();
  await page.getByRole('button', { name: /^Choose all/ }).click();
  await page.getByRole('button', { name: 'Change labels and policy…' }).click();
  const dialog = page.getByRole('dialog', { name: /Change the labels of 24 clusters/ });
  const apply = dialog.getByRole('button', { name: 'Apply' });
  await dialog.getByLabel('Set labels').fill('tier=gold');
  await expect(apply).toBeDisabled();
  await expect(dialog.getByText('12 documents would change.')).toBeVisible();
  await dialog.getByRole('button', { name: 'What would change?' }).click();
  await expect(dialog.getByText('silver → gold')).toBeVisible();
  await expectAccessible(page);
  await apply.click();
  await expect(page.getByText('12 clusters have their new labels').first()).toBeVisible();
  const applied = world.sent.find(({ path }) => path === '/apply')?.body as {
    documents: { metadata: { labels: Record<string, string> } }[];
  };
  expect(applied.documents).toHaveLength(12);
  expect(applied.documents[0]?.metadata.labels).toMatchObject({ tier: 'gold', team: 'team-1' });
});
