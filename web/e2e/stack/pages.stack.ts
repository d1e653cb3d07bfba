/**
 * Every page, against what a real control plane says: nothing is complained of by the
 * browser (scripts, content security policy, other hosts) and by axe, in both themes.
 */
import { everyPage } from '../pages';
import { expect, expectAccessible, expectPage, login, testOf } from './test';
import { livedInWorld } from './world';

const test = testOf(livedInWorld);

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 1440]) {
    test(`${colorScheme}, ${width} px`, async ({ page, world: { stack } }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 900 });
      await login(page, 'admin', stack.password);
      const pages = await everyPage(page.request);
      expect(pages.length).toBeGreaterThan(25);
      for (const { name, path } of pages) {
        await test.step(name, async () => {
          await page.goto(path);
          await expectPage(page, /./);
          // What could not be read says so, and nothing here is broken.
          await expect.soft(page.getByText('What this means:'), path).toHaveCount(0);
          await expect.soft(page.getByText('Nothing is at this address'), path).toHaveCount(0);
          await expectAccessible(page, path);
          const wide = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          expect.soft(wide, `${path} is wider than the screen`).toBe(0);
        });
      }
    });
  }
}

test('every number and name leads somewhere: no link of the console is broken', async ({
  page,
  world: { stack },
}) => {
  await login(page, 'admin', stack.password);
  const links = new Set<string>();
  for (const { path } of await everyPage(page.request)) {
    await page.goto(path);
    await expectPage(page, /./);
    const found = await page
      .locator('a[href^="/"]')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
    for (const href of found) links.add(href.replace(/#.*/, ''));
  }
  // One of a kind is enough: a job's page is a job's page.
  const kinds = new Map<string, string>();
  for (const href of links) {
    const kind = href.replace(/[a-z]+_[0-9a-f]{32}/g, '*').replace(/=[^&]*/g, '=');
    kinds.set(kind, href);
  }
  for (const href of kinds.values()) {
    if (href.startsWith('/errors/') || href.startsWith('/api/')) {
      // Not the console's, but the control plane's own.
      const answer = await page.request.get(href);
      expect.soft(answer.status(), href).toBe(200);
      continue;
    }
    await page.goto(href);
    // A dialog over the page may hide its title from screen readers.
    await expect.soft(page.locator('h1'), href).toBeAttached();
    await expect.soft(page.getByText('Nothing is at this address'), href).toHaveCount(0);
  }
});
