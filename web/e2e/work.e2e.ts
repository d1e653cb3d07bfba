/** Restoring, jobs, drills, approvals and the catalog: against canned answers. */
import { expect, expectAccessible, expectUsable, look, LOOKS, nameOf, test } from './test';
import { WorkApi, ids } from './work-api';

const PAGES = [
  ['/jobs', 'Jobs', 'waits'],
  ['/jobs?view=history', 'Jobs', 'Succeeded'],
  [`/jobs/${ids.running}`, 'Backup of service-00000', '7.6 MiB/s'],
  ['/restores', 'Restores', 'Awaiting approval'],
  [`/restores/${ids.restore}`, 'Restore of service-00000', 'psql -h localhost -p 5433'],
  [`/restores/${ids.waiting}`, 'Restore of service-00000', 'Who may consent'],
  ['/restores/new', 'Restore', 'What do you want back?'],
  ['/restores/new?cluster=service-00000&step=point', 'Restore service-00000', 'It can be restored'],
  ['/restores/new?cluster=service-00000&step=target', 'Restore service-00000', 'Where to?'],
  ['/drills?cluster=service-00000', 'Drills', 'Achieved RTO'],
  ['/drills?view=proof', 'Drills', 'NOT PROVEN'],
  ['/drills?view=plans', 'Drills', 'No drill plan'],
  [`/drills/${ids.drill}`, 'Drill of service-00000', 'select count(*) from orders'],
  ['/approvals', 'Approvals', 'You asked for this'],
  [`/approvals/${ids.theirs}`, 'Delete a backup', 'What becomes unrestorable'],
  ['/catalog', 'Catalog', 'Incremental'],
  [`/catalog/${ids.full}`, 'Full backup of service-00000', 'this one'],
] as const;

for (const shown of LOOKS) {
  test(`pages of work can be used by all: ${nameOf(shown)}`, async ({ page }) => {
    await look(page, shown);
    await new WorkApi(page).start('/jobs');
    await expect(page.getByRole('heading', { level: 1, name: 'Jobs' })).toBeVisible();
    for (const [path, title, said] of PAGES) {
      await test.step(path, async () => {
        await page.goto(path);
        await expect(
          page.getByRole('heading', { level: 1, name: title, exact: true }),
        ).toBeVisible();
        await expect(page.getByText(said).first()).toBeAttached();
        await expectUsable(page, path);
      });
    }
  });
}

test('a restore: from the cluster to its own address, all in the URL', async ({ page }) => {
  const api = new WorkApi(page);
  await api.start('/restores');
  await page.getByRole('link', { name: 'New restore' }).click();
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.getByText('Say which cluster')).toBeVisible();
  await page.getByRole('radio', { name: 'service-00000' }).check();
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page).toHaveURL(/cluster=service-00000/);
  // The band is a slider: keys move it as the pointer does.
  await page.getByRole('slider').press('PageUp');
  await expect(page).toHaveURL(/at=20/);
  await page.getByRole('radio', { name: 'LSN' }).check();
  await page.getByLabel('Position').fill('zz');
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.getByText('both in hexadecimal digits').first()).toBeVisible();
  await page.getByRole('radio', { name: 'Latest' }).check();
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByRole('radio', { name: 'db2' }).check();
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.getByText('An absolute path: it begins with /')).toBeVisible();
  await page.getByLabel('New data directory').fill('/srv/copy');
  await page.getByLabel('Port').fill('5433');
  await page.getByRole('button', { name: 'Next' }).click();
  await expect(page.getByText('Nothing speaks against it')).toBeVisible();
  await expect(page.getByText('it runs the primary')).toBeVisible();
  await expectAccessible(page);
  // The address is the draft: another browser goes on from it.
  await page.reload();
  await expect(page.getByText('Nothing speaks against it')).toBeVisible();
  await page.getByRole('button', { name: 'Begin the restore' }).click();
  await expect(page).toHaveURL(`/restores/${ids.restore}`);
  const begun = api.sent.find(({ path }) => path === '/restores');
  expect(begun?.body).toEqual({
    cluster: 'service-00000',
    at: 'latest',
    agent: 'db2',
    dir: '/srv/copy',
    start: true,
    port: 5433,
    planHash: 'ab'.repeat(32),
  });
});

test('writing over a directory is typed first, and waits for others', async ({ page }) => {
  const api = new WorkApi(page);
  api.approvalNeeded = true;
  await api.start(
    '/restores/new?cluster=service-00000&agent=db2&dir=/srv/copy&delta=true&step=plan',
  );
  await page.getByRole('button', { name: 'Begin the restore' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Write over this directory?' });
  await expect(ask.getByRole('button', { name: 'Write over it' })).toBeDisabled();
  await expectAccessible(page);
  await ask.getByLabel('Type /srv/copy to confirm').fill('/srv/copy');
  await ask.getByRole('button', { name: 'Write over it' }).click();
  await expect(page).toHaveURL(`/restores/${ids.waiting}`);
  await expect(page.getByText('It waits for the consent of others')).toBeVisible();
});

test('what cannot be restored says why, and what is nearest', async ({ page }) => {
  await new WorkApi(page).start(
    '/restores/new?cluster=service-00000&step=point&at=2001-01-01T00:00:00Z',
  );
  await expect(page.getByText('It cannot be restored')).toBeVisible();
  await page.getByRole('button', { name: /The first moment after it/ }).click();
  await expect(page.getByText('It can be restored', { exact: true })).toBeVisible();
});

test('a backup is deleted only after what is lost was shown and its cluster typed', async ({
  page,
}) => {
  const api = new WorkApi(page);
  await api.start(`/catalog/${ids.full}`);
  await page.getByRole('button', { name: 'Delete' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Delete this backup?' });
  await expect(ask.getByText('1 stretch of time is lost')).toBeVisible();
  await expect(ask.getByRole('button', { name: 'Delete' })).toBeDisabled();
  await expectAccessible(page);
  await ask.getByLabel('Reason').fill('für immer');
  await ask.getByLabel('Type service-00000 to confirm').fill('service-00000');
  await ask.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('The backup is condemned', { exact: true })).toBeVisible();
  expect(api.sent).toMatchObject([{ method: 'DELETE', path: `/backups/${ids.full}` }]);
  // One that would be refused is not offered.
  await page.goto(`/catalog/${ids.incremental}`);
  await page.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('dialog').getByText('It would be refused now')).toBeVisible();
  await expect(page.getByRole('alertdialog')).toHaveCount(0);
});

test('nobody consents to the own request; a refusal has a reason', async ({ page }) => {
  const api = new WorkApi(page);
  await api.start(`/approvals/${ids.mine}`);
  await expect(page.getByText('You asked for this. Nobody consents')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Consent' })).toHaveCount(0);
  await page.goto(`/approvals/${ids.theirs}`);
  await page.getByRole('button', { name: 'Reject' }).click();
  const ask = page.getByRole('dialog', { name: 'Reject this?' });
  await ask.getByRole('button', { name: 'Reject' }).click();
  await expect(ask.getByText('Say why')).toBeVisible();
  expect(api.sent).toEqual([]);
  await ask.getByLabel('Note').fill('not yet');
  await ask.getByRole('button', { name: 'Reject' }).click();
  await expect(page.getByText('The request is rejected', { exact: true })).toBeVisible();
  expect(api.sent).toEqual([
    { method: 'POST', path: `/approvals/${ids.theirs}/reject`, body: { note: 'not yet' } },
  ]);
});

test('a job is ended, and a drill is run', async ({ page }) => {
  const api = new WorkApi(page);
  await api.start('/jobs');
  await expect(page.getByText('another job of service-00000 to end')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel: Backup of service-00000' }).first().click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel job' }).click();
  await expect(page.getByText('The end of the job is asked for', { exact: true })).toBeVisible();
  await page.goto('/drills?cluster=service-00000');
  await page.getByRole('button', { name: 'Run a drill' }).click();
  const ask = page.getByRole('dialog', { name: 'Run a drill' });
  await expectAccessible(page);
  await ask.getByRole('button', { name: 'CLI and API' }).click();
  await expect(page.getByText('holdfast drill run service-00000 --at latest')).toBeVisible();
  await page.keyboard.press('Escape');
  await ask.getByRole('button', { name: 'Run the drill' }).click();
  await expect(page.getByText('The drill is queued', { exact: true })).toBeVisible();
  expect(api.sent.map(({ path }) => path)).toEqual([
    `/jobs/${ids.running}/cancel`,
    '/clusters/service-00000/drills',
  ]);
});
