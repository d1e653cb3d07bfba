/**
 * Pictures of every page, light and dark, at three widths, into web/screenshots/, of the
 * control plane that HOLDFAST_URL names (password in HOLDFAST_PASSWORD). Pages add
 * themselves to PAGES; details take the first of their list by `open`.
 */
import { test, expect } from './test';

const PAGES: readonly { name: string; path: string }[] = [
  { name: 'overview', path: '/' },
  { name: 'compliance', path: '/compliance' },
  { name: 'clusters', path: '/clusters' },
  { name: 'cluster', path: `/clusters/${process.env['HOLDFAST_CLUSTER'] ?? 'demo'}` },
  { name: 'unprotected', path: '/unprotected' },
  { name: 'fleets', path: '/fleets' },
  { name: 'policies', path: '/policies' },
  { name: 'jobs', path: '/jobs' },
  { name: 'catalog', path: '/catalog' },
  { name: 'restores', path: '/restores' },
  { name: 'drills', path: '/drills' },
  { name: 'reports', path: '/reports' },
  { name: 'alarms', path: '/alarms' },
  { name: 'repositories', path: '/repositories' },
  { name: 'agents', path: '/agents' },
  { name: 'approvals', path: '/approvals' },
  { name: 'audit', path: '/audit' },
  { name: 'administration', path: '/administration' },
];

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 1280, 1920]) {
    test(`${colorScheme} at ${width} px`, async ({ page }) => {
      test.setTimeout(180_000);
      const height = width < 500 ? 844 : width < 1500 ? 800 : 1080;
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const shoot = (name: string) =>
        page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png` });
      await page.goto('/login');
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await shoot('login');
      await page.getByLabel('User').fill(process.env['HOLDFAST_USER'] ?? 'admin');
      await page
        .getByLabel('Password', { exact: true })
        .fill(process.env['HOLDFAST_PASSWORD'] ?? '');
      await page.getByRole('button', { name: 'Log in' }).click();
      await expect(page.locator('#content')).toBeVisible();
      for (const { name, path } of PAGES) {
        await page.goto(path);
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
        await page.evaluate(() => document.fonts.ready);
        await shoot(name);
      }
    });
  }
}
