/**
 * The test of all browser tests against the real thing: a stack of its own for each file
 * that says how to make one, shared by the tests in it.
 */
import type { Page } from '@playwright/test';
import { expect, expectAccessible, test as base } from '../test';
import type { Stack } from './stack';

/** A test whose console is that of the stack that `make` makes, once for each worker. */
export function testOf<S extends { stack: Stack }>(make: () => Promise<S>) {
  return base.extend<object, { world: S }>({
    world: [
      // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
      async ({}, provide) => {
        const world = await make();
        try {
          await provide(world);
        } finally {
          await world.stack.end();
        }
      },
      { scope: 'worker', timeout: 180_000 },
    ],
    baseURL: async ({ world }, provide) => {
      await provide(world.stack.console);
    },
  });
}

/** Logs in at the page that is open, or at the login. */
export async function login(page: Page, user: string, password: string): Promise<void> {
  if (!page.url().includes('/login')) await page.goto('/login');
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('button', { name: `Account of ${user}` })).toBeVisible();
}

/** The page of that title, with what it had to read. */
export async function expectPage(page: Page, title: string | RegExp): Promise<void> {
  await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible();
  await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
}

export { expect, expectAccessible };
