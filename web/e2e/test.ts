/**
 * The test of all our browser tests: whatever the browser complains of (a script's
 * error, what the content security policy forbids, another host) fails it.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';

/** Answers that are part of a test are complained of by the browser too. */
const ANSWERED = /Failed to load resource: the server responded with a status of/;

export interface Options {
  /** What else the browser may complain of in a test that is about just that. */
  expected: RegExp | undefined;
}

export const test = base.extend<Options & { complaints: string[] }>({
  expected: [undefined, { option: true }],
  complaints: [
    async ({ page, baseURL, expected }, use) => {
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        const bad = message.type() === 'error' || message.type() === 'warning';
        const told = ANSWERED.test(message.text()) || expected?.test(message.text()) === true;
        if (bad && !told) complaints.push(message.text());
      });
      page.on('request', (request) => {
        const own =
          request.url().startsWith(`${baseURL ?? ''}/`) || request.url().startsWith('data:');
        const asked = `asked another host: ${request.url()}`;
        if (!own && expected?.test(asked) !== true) complaints.push(asked);
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

/** A theme at a width, in which a page is looked at. */
export interface Look {
  colorScheme: 'light' | 'dark';
  width: number;
}

/** Each theme and each width once: colours do not depend on width, nor room on colour. */
export const LOOKS: readonly Look[] = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 390 },
];

export const nameOf = ({ colorScheme, width }: Look): string => `${colorScheme}, ${width} px`;

export async function look(page: Page, { colorScheme, width }: Look): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.setViewportSize({ width, height: 800 });
}

/** The page that is open can be used by all, and is not wider than the screen. */
export async function expectUsable(page: Page, where: string): Promise<void> {
  await expectAccessible(page, where);
  const wider = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect.soft(wider, `${where} is wider than the screen`).toBe(0);
}

/** What axe finds against WCAG 2.2 A and AA. */
export async function expectAccessible(page: Page, where?: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    // Only what is wrong is told; there are no frames, which would need a page more.
    .options({ resultTypes: ['violations'] })
    .setLegacyMode()
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  const said = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
  );
  // The test goes on: there may be more to find.
  expect.soft(said, where).toEqual([]);
}

export { expect };
