/**
 * How quick the console is on 10,000 clusters: prints what was measured, and asserts
 * nothing about time. `xtask seed` makes the control plane (or HOLDFAST_SEEDED names a
 * folder where it has); HOLDFAST_CLUSTERS says how many.
 *
 * - A first view is the time from the address to the first frame with what was asked for
 *   (a title, rows or numbers), in a browser that has loaded nothing yet.
 * - An interaction is the time from the event to the frame that shows its effect.
 * - Scrolling is the longest time between two frames.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Browser, Page } from '@playwright/test';
import { Node } from './stack/node';
import { program } from './stack/programs';
import { must } from './stack/process';
import { Scratch } from './stack/scratch';
import { expect, login } from './stack/test';
import { test as base } from './test';

const CLUSTERS = Number(process.env['HOLDFAST_CLUSTERS'] ?? 10_000);
const REPEATS = Number(process.env['HOLDFAST_REPEATS'] ?? 5);
const LOAD_BEFORE = Number(loadavg()[0]?.toFixed(2));
const FIRST_VIEW = 1000;
const INTERACTION = 100;

const test = base.extend<object, { node: Node }>({
  node: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, provide) => {
      const scratch = new Scratch();
      const folder = process.env['HOLDFAST_SEEDED'] ?? scratch.path;
      if (folder === scratch.path) {
        const how = ['seed', '--folder', folder, '--clusters', String(CLUSTERS)];
        console.log(await must(program('xtask'), how));
      }
      const node = Node.at(`${folder}/control-plane`);
      try {
        await node.start();
        await provide(node);
      } finally {
        await node.stop();
        await scratch.remove();
      }
    },
    { scope: 'worker', timeout: 900_000 },
  ],
  baseURL: async ({ node }, provide) => {
    await provide(node.console);
  },
});

interface Measured {
  what: string;
  target: number;
  times: number[];
}

test('a fleet of thousands', async ({ browser, node, baseURL }) => {
  const measured: Measured[] = [];
  const measure = async (what: string, target: number, one: () => Promise<number>) => {
    const times: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat += 1) times.push(await one());
    measured.push({ what, target, times });
  };
  const context = await browser.newContext({
    baseURL: baseURL ?? '',
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await login(page, 'admin', node.password());
  const state = await context.storageState();
  await context.close();

  for (const [what, path, shown] of [
    ['Overview', '/', 'main h1'],
    ['Clusters', '/clusters', '[data-row="0"]'],
  ] as const) {
    await measure(`first view of ${what}`, FIRST_VIEW, () =>
      firstView(browser, { baseURL, state, path, shown }),
    );
  }

  const { page: list, close } = await opened(browser, { baseURL, state, path: '/clusters' });
  const all = new Intl.NumberFormat('en-US').format(CLUSTERS);
  const began = Date.now();
  await expect(list.getByText(`${all} clusters`)).toBeVisible({ timeout: 120_000 });
  measured.push({ what: 'Clusters, all read', target: 0, times: [Date.now() - began] });
  await interactions(list, measure);
  await close();
  tell(measured);
});

type Measure = (what: string, target: number, one: () => Promise<number>) => Promise<void>;

async function interactions(page: Page, measure: Measure): Promise<void> {
  const count = page.getByRole('status').filter({ hasText: 'clusters' }).first();
  const name = page.getByLabel('Name', { exact: true });
  await measure('filter by name', INTERACTION, async () => {
    await name.fill('');
    await expect(page).not.toHaveURL(/q=/);
    await name.focus();
    const before = await count.textContent();
    return effect(page, 'input', () => page.keyboard.type('9'), {
      selector: '[role="status"]',
      differs: before ?? '',
    });
  });
  await name.fill('');
  await expect(page).not.toHaveURL(/q=/);
  const sort = page.getByRole('button', { name: 'Would lose' });
  await measure('sort', INTERACTION, async () => {
    const before = await page.locator('[data-row="0"]').textContent();
    return effect(page, 'click', () => sort.click(), {
      selector: '[data-row="0"]',
      differs: before ?? '',
    });
  });
  await measure('scroll, longest frame', INTERACTION, () => scroll(page));
  await page.getByRole('table').focus();
  await measure('open a cluster', INTERACTION, async () => {
    const time = await effect(page, 'click', () => page.locator('[data-row] a').first().click(), {
      selector: 'main h1',
      differs: 'Clusters',
    });
    await page.goBack();
    await expect(page.locator('[data-row]').first()).toBeVisible();
    return time;
  });
}

interface Ask {
  baseURL: string | undefined;
  state: Awaited<ReturnType<Awaited<ReturnType<Browser['newContext']>>['storageState']>>;
  path: string;
}

async function opened(browser: Browser, { baseURL, state, path }: Ask) {
  const context = await browser.newContext({
    baseURL: baseURL ?? '',
    storageState: state,
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(path, { waitUntil: 'commit' });
  return { page, close: () => context.close() };
}

/** From the address to the first frame in which `shown` is there and nothing is awaited. */
async function firstView(browser: Browser, ask: Ask & { shown: string }): Promise<number> {
  const { page, close } = await opened(browser, ask);
  const time = await page.evaluate(
    (shown) =>
      new Promise<number>((resolve) => {
        const look = () => {
          const there = document.querySelector(shown) !== null;
          const busy = document.querySelector('main [aria-busy="true"]') !== null;
          if (there && !busy) requestAnimationFrame(() => resolve(performance.now()));
          else requestAnimationFrame(look);
        };
        look();
      }),
    ask.shown,
  );
  await close();
  return time;
}

/** From an event to the frame in which the text of `selector` is another. */
async function effect(
  page: Page,
  event: 'click' | 'input',
  act: () => Promise<void>,
  { selector, differs }: { selector: string; differs: string },
): Promise<number> {
  const time = page.evaluate(
    ([event, selector, differs]) =>
      new Promise<number>((resolve) => {
        const heard = (first: Event) => {
          const began = first.timeStamp;
          const look = () => {
            const text = document.querySelector(selector)?.textContent;
            if (text !== undefined && text !== null && text !== differs) {
              // The frame after the next is painted with it.
              requestAnimationFrame(() => resolve(performance.now() - began));
            } else requestAnimationFrame(look);
          };
          look();
        };
        window.addEventListener(event, heard, { once: true, capture: true });
      }),
    [event, selector, differs] as const,
  );
  // The listener has to be there first.
  await page.evaluate(() => undefined);
  await act();
  return time;
}

/** The longest time between two frames while the wheel turns. */
async function scroll(page: Page): Promise<number> {
  const table = await page.getByRole('table').boundingBox();
  if (table === null) throw new Error('there is no table');
  await page.mouse.move(table.x + table.width / 2, table.y + table.height / 2);
  const longest = page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let last = performance.now();
        const end = last + 1500;
        let most = 0;
        const look = (now: number) => {
          most = Math.max(most, now - last);
          last = now;
          if (now > end) resolve(most);
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      }),
  );
  for (let turn = 0; turn < 30; turn += 1) await page.mouse.wheel(0, 1500);
  return longest;
}

function tell(measured: readonly Measured[]): void {
  const rows = measured.map(({ what, target, times }) => {
    const sorted = [...times].sort((one, other) => one - other).map(Math.round);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    const longest = sorted.at(-1) ?? Number.NaN;
    return { what, median, longest, target, met: target === 0 || median <= target };
  });
  console.log(`${CLUSTERS} clusters, milliseconds; the load was ${LOAD_BEFORE}`);
  console.table(rows);
  const file = process.env['HOLDFAST_RESULTS'];
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(resultOf(rows), null, 2)}\n`);
}

interface Row {
  what: string;
  median: number;
  longest: number;
  target: number;
  met: boolean;
}

/** As the other rows of `make bench` are written down. */
function resultOf(rows: readonly Row[]): object {
  const bound = rows.filter(({ target }) => target > 0);
  return {
    row: 'console',
    commit: process.env['HOLDFAST_COMMIT'] ?? 'unknown',
    date: process.env['HOLDFAST_DATE'] ?? 'unknown',
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryMib: Math.round(totalmem() / (1 << 20)),
      kernel: release(),
      loadBefore: LOAD_BEFORE,
    },
    ok: bound.every(({ met }) => met),
    targets: bound.map(({ what, median, target, met }) => ({
      what: `${what}, median in ms`,
      measured: median,
      target,
      bound: 'atMost',
      ok: met,
    })),
    details: {
      how: 'in Chromium, at a node of its own; the program, the browser and what it measures share the machine',
      clusters: CLUSTERS,
      milliseconds: rows.map(({ what, median, longest }) => ({ what, median, longest })),
    },
  };
}
