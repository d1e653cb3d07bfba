/**
 * Every page, against what a real control plane says: nothing is complained of by the
 * browser (scripts, content security policy, other hosts) and by axe, in both themes.
 */
import { everyPage } from '../pages';
import { expectUsable, look, LOOKS, nameOf } from '../test';
import { expect, expectPage, login, testOf } from './test';
import { livedInWorld } from './world';

const test = testOf(livedInWorld);
test.describe.configure({ mode: 'serial' });

/** What the pages link to. */
const links = new Set<string>();

for (const shown of LOOKS) {
  test(`all pages: ${nameOf(shown)}`, async ({ page, world: { stack } }) => {
    await look(page, shown);
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
        await expectUsable(page, path);
        const found = await page
          .locator('a[href^="/"]')
          .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
        for (const href of found) links.add(href.replace(/#.*/, ''));
      });
    }
  });
}

test('every number and name leads somewhere: no link of the console is broken', async ({
  page,
  world: { stack },
}) => {
  await login(page, 'admin', stack.password);
  // The tests before this one went through all pages, in the same process.
  expect(links.size).toBeGreaterThan(25);
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
