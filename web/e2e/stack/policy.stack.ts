/** A policy is changed: what it would do is seen first, and exactly that is done. */
import { until } from './process';
import { expect, expectAccessible, expectPage, login } from './test';
import type { Stack } from './stack';
import { test } from './protected';

test('a policy is edited with a dry run', async ({ page, world: { stack } }) => {
  await login(page, 'admin', stack.password);
  await page.goto('/policies/gold');
  await expectPage(page, 'gold');
  await page.getByRole('link', { name: 'Edit' }).first().click();
  await expectPage(page, 'Edit gold');

  // Form and YAML are one document.
  await page.getByLabel('May lose at most (RPO)').fill('2h');
  await page.getByText('YAML', { exact: true }).click();
  const yaml = page.getByLabel('The policy as YAML');
  await expect(yaml).toHaveValue(/rpo: 2h/);
  const before = await yaml.inputValue();
  await yaml.fill(before.replace('rpo: 2h', 'rpo: 2 hours'));
  await expect(page.getByText(/duration/i).first()).toBeVisible();
  await yaml.fill(before.replace('rpo: 2h', 'rpo: 5m'));

  const dry = page.getByRole('region', { name: 'What it would do' });
  await expect(page.getByText('Up to date with what is written').first()).toBeVisible();
  await expect(dry.getByText('shop').first()).toBeVisible();
  await expectAccessible(page);
  // Nothing is changed by looking.
  expect(await rpo()).toBe('1m');

  await page.getByRole('button', { name: 'Review and save' }).click();
  const review = page.getByRole('dialog', { name: 'Save this policy?' });
  await expect(review.getByText('rpo: 5m')).toBeVisible();
  await expectAccessible(page);
  await review.getByRole('button', { name: 'Save' }).click();
  await expectPage(page, 'gold');
  await until('the new RPO', async () => ((await rpo()) === '5m' ? true : undefined));

  // And back, by its history.
  await page.getByRole('tab', { name: 'Versions' }).click();
  await page.getByRole('list', { name: 'Revisions' }).getByRole('button').nth(1).click();
  await page.getByRole('button', { name: 'Roll back to this' }).first().click();
  const ask = page.getByRole('dialog').or(page.getByRole('alertdialog'));
  await ask.getByRole('button', { name: 'Roll back to this' }).click();
  await until('the old RPO', async () => ((await rpo()) === '1m' ? true : undefined));

  async function rpo(): Promise<string> {
    return (await gold(stack)).spec.objectives.rpo;
  }
});

interface Policy {
  metadata: { name: string };
  spec: { objectives: { rpo: string } };
}

function gold(stack: Stack): Promise<Policy> {
  return stack.cli.json<Policy>('get', 'policy', 'gold');
}

test('what somebody else changed meanwhile is not written over', async ({
  page,
  world: { stack },
}) => {
  await login(page, 'admin', stack.password);
  await page.goto('/policies/gold/edit');
  await expectPage(page, 'Edit gold');
  await page.getByLabel('May lose at most (RPO)').fill('3m');
  const { metadata, spec } = await gold(stack);
  const other = { ...spec, objectives: { rpo: '4m' } };
  const document = { apiVersion: 'holdfast/v1', kind: 'Policy', metadata, spec: other };
  await stack.cli.apply(JSON.stringify(document));
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Somebody else changed it meanwhile').first()).toBeVisible();
  expect((await gold(stack)).spec.objectives.rpo).toBe('4m');
});
