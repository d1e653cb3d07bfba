/** Policies: form and YAML as twins, saved only after the dry run, versions and rollback. */
import type { Page } from '@playwright/test';
import { Plane } from './plane';
import { expect, expectAccessible, expectUsable, look, LOOKS, nameOf, test } from './test';

async function open(page: Page, path: string): Promise<Plane> {
  const plane = new Plane(page);
  await plane.start();
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  return plane;
}

const yaml = (page: Page) => page.getByLabel('The policy as YAML');
const rpo = (page: Page) => page.getByLabel('May lose at most (RPO)');
const review = (page: Page) => page.getByRole('button', { name: 'Review and save' });

test('the form and the YAML say the same, in both directions', async ({ page }) => {
  await page.setViewportSize({ width: 1920, height: 1080 });
  await open(page, '/policies/gold/edit');
  await expect(rpo(page)).toHaveValue('30s');
  await rpo(page).fill('1m');
  await expect(yaml(page)).toHaveValue(/rpo: 1m/);
  const text = await yaml(page).inputValue();
  await yaml(page).fill(`# why\n${text.replace('window: 7d', 'window: 3d')}`);
  await expect(page.getByLabel('Any point of the last (window)')).toHaveValue('3d');
  // A comment that was typed stays when the form writes.
  await rpo(page).fill('2m');
  await expect(yaml(page)).toHaveValue(/^# why[\s\S]*rpo: 2m/);
  // What the form has no field for stays too, and is named.
  await expect(yaml(page)).toHaveValue(/blackouts: \[\]/);
  await expect(page.getByText('In the YAML besides: blackouts')).toBeVisible();
  await expectAccessible(page);
});

test('a field that is not known is refused with its path and line', async ({ page }) => {
  await open(page, '/policies/gold/edit?view=yaml');
  const text = await yaml(page).inputValue();
  await yaml(page).fill(text.replace('rpo:', 'rpoo:'));
  await expect(page.getByText('spec.objectives.rpoo')).toBeVisible();
  await expect(page.getByText('is not a field here; is rpo meant?')).toBeVisible();
  await expect(review(page)).toBeDisabled();
  await expectAccessible(page);
  await page.getByRole('button', { name: /^Line \d+$/ }).click();
  await expect(yaml(page)).toBeFocused();
  // Of what cannot be read at all the form says so.
  await yaml(page).fill('spec: [');
  await page.getByText('Form', { exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('cannot be read');
  await expectAccessible(page);
});

test('what the control plane refuses is shown at its field', async ({ page }) => {
  await open(page, '/policies/gold/edit?view=yaml');
  const text = await yaml(page).inputValue();
  await yaml(page).fill(text.replace('repository: eu', 'repository: nowhere'));
  await expect(page.getByText('there is no repository "nowhere"').first()).toBeVisible();
  await expect(page.getByRole('link', { name: /dangling_reference/ })).toBeVisible();
  await expect(review(page)).toBeDisabled();
});

test('a policy is saved only after its dry run was seen, on its revision', async ({ page }) => {
  const plane = await open(page, '/policies/gold/edit');
  await expect(review(page)).toBeDisabled();
  await rpo(page).fill('5s');
  await expect(page.getByText('cannot be kept')).toBeVisible();
  await expect(page.getByRole('cell', { name: '5s' })).toBeVisible();
  await review(page).click();
  const dialog = page.getByRole('dialog', { name: 'Save this policy?' });
  await expect(dialog.getByText('At most 5s of commits may be lost')).toBeVisible();
  await expect(dialog.getByRole('region', { name: 'What changes in the document' })).toContainText(
    'rpo: 5s',
  );
  await expectAccessible(page);
  expect(plane.acts).toEqual([]);
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page).toHaveURL('/policies/gold');
  expect(plane.acts).toHaveLength(1);
  expect(plane.acts[0]).toMatchObject({
    method: 'PUT',
    path: '/policies/gold',
    body: { kind: 'Policy', spec: { objectives: { rpo: '5s' } } },
  });
  expect(plane.acts[0]?.headers['if-match']).toBe('"9"');
});

test('what waits for others is no error', async ({ page }) => {
  const plane = await open(page, '/policies/gold/edit');
  plane.refusal = { status: 409, code: 'approval_pending', approval: 'apr_1' };
  await rpo(page).fill('1m');
  await review(page).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('It waits for the consent of others')).toBeVisible();
  await expectAccessible(page);
});

test('a change by somebody else loses nothing', async ({ page }) => {
  const plane = await open(page, '/policies/gold/edit');
  await rpo(page).fill('1m');
  plane.refusal = { status: 412, code: 'stale_revision' };
  plane.revision = 12;
  await review(page).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('Somebody else changed it meanwhile')).toBeVisible();
  await expect(rpo(page)).toHaveValue('1m');
  await page.getByRole('button', { name: 'Compare with what is there now' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('rpo: 45s')).toBeVisible();
  await dialog.getByRole('button', { name: 'Go on with mine over it' }).click();
  plane.refusal = undefined;
  await review(page).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page).toHaveURL('/policies/gold');
  expect(plane.acts.at(-1)?.headers['if-match']).toBe('"12"');
});

test('leaving with changes asks first', async ({ page }) => {
  await open(page, '/policies/gold/edit');
  await rpo(page).fill('1m');
  await page.getByRole('link', { name: 'Agents' }).click();
  const ask = page.getByRole('alertdialog', { name: 'Leave without saving?' });
  await expect(ask).toBeVisible();
  await ask.getByRole('button', { name: 'Cancel' }).click();
  await expect(rpo(page)).toHaveValue('1m');
  await page.getByRole('link', { name: 'Agents' }).click();
  await ask.getByRole('button', { name: 'Leave' }).click();
  await expect(page).toHaveURL('/agents');
});

test('a revision is compared and brought back', async ({ page }) => {
  const plane = await open(page, '/policies/gold?tab=versions');
  await page.getByRole('button', { name: /^Revision 4/ }).click();
  await expect(page).toHaveURL(/revision=4/);
  await expect(page.getByRole('region', { name: 'Differences' })).toContainText('rpo: 1m');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Roll back to this' }).click();
  const dialog = page.getByRole('dialog', { name: 'Roll back to revision 4?' });
  await expect(dialog.getByText('At most 1m of commits may be lost')).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Roll back to this' }).click();
  await expect(dialog).toBeHidden();
  expect(plane.acts).toMatchObject([{ path: '/policies/gold/rollback', body: { revision: 4 } }]);
});

for (const shown of LOOKS) {
  test(`policies can be used by all: ${nameOf(shown)}`, async ({ page }) => {
    await look(page, shown);
    await open(page, '/policies');
    await expect(page.getByRole('link', { name: 'gold', exact: true })).toBeVisible();
    for (const path of [
      '/policies',
      '/policies/gold',
      '/policies/gold?tab=clusters',
      '/policies/gold?tab=yaml',
      '/policies/gold/edit',
      '/policies/gold/edit?view=yaml',
      '/new/policy',
    ]) {
      await page.goto(path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
      await expectUsable(page, path);
    }
  });
}
