/**
 * Pictures of every page, light and dark, at three widths, into web/screenshots/: of a
 * control plane of their own with some life in it, or of the one that HOLDFAST_URL names
 * (password in HOLDFAST_PASSWORD).
 */
import type { Page } from '@playwright/test';
import { test as base, expect } from './test';
import { everyPage } from './pages';
import { demo } from './stack/demo';
import { login } from './stack/test';

interface Seen {
  url: string;
  password: string;
}

const test = base.extend<object, { seen: Seen }>({
  seen: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, provide) => {
      const url = process.env['HOLDFAST_URL'];
      if (url !== undefined) {
        await provide({ url, password: process.env['HOLDFAST_PASSWORD'] ?? '' });
        return;
      }
      const own = await demo();
      try {
        await provide(own);
      } finally {
        await own.end();
      }
    },
    { scope: 'worker', timeout: 600_000 },
  ],
  baseURL: async ({ seen }, provide) => {
    await provide(seen.url);
  },
});

/** What the demo has much of; elsewhere the first of each list. */
async function best(page: Page): Promise<Record<string, string>> {
  const there = await page.request.get('/api/v1/fleets/payments');
  if (!there.ok()) return {};
  return {
    cluster: 'demo',
    'cluster-servers': 'orders',
    'cluster-policy': 'orders',
    fleet: 'shop',
    policy: 'platinum',
    'policy-edit': 'platinum',
    'policy-yaml': 'platinum',
  };
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 1280, 1920]) {
    test(`${colorScheme} at ${width} px`, async ({ page, seen }) => {
      test.setTimeout(300_000);
      const height = width < 500 ? 844 : width < 1500 ? 800 : 1080;
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const shoot = (name: string) =>
        page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png` });
      await page.goto('/login');
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await shoot('login');
      await login(page, process.env['HOLDFAST_USER'] ?? 'admin', seen.password);
      for (const { name, path } of await everyPage(page.request, await best(page))) {
        await page.goto(path);
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
        await page.evaluate(() => document.fonts.ready);
        await shoot(name);
      }
    });
  }
}
