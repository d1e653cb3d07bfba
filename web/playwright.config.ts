/**
 * The console in Debian's Chromium.
 *
 * - `canned` (e2e/*.e2e.ts): against canned answers, served as holdfastd serves it (the
 *   same content security policy), from dist/.
 * - `stack` (e2e/stack/*.stack.ts): what holdfastd itself serves, with real agents and
 *   PostgreSQL. The programs are in HOLDFAST_TARGET.
 * - `screenshots`, `perf`: commands of their own, which assert nothing about time.
 */
import { defineConfig } from '@playwright/test';
import { CHROMIUM, wanted } from './e2e/preflight';

const port = Number(process.env['HOLDFAST_E2E_PORT'] ?? 4174);

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  reporter: 'list',
  globalSetup: './e2e/preflight.ts',
  // Two cores are shared with what is tried: patient, and only a broken page is slow.
  timeout: 180_000,
  expect: { timeout: 10_000 },
  use: {
    actionTimeout: 20_000,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    // A trace makes tests slower by far: it is for one that fails, `--trace on`.
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: CHROMIUM,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    // First, as its tests take the longest.
    {
      name: 'stack',
      testMatch: 'stack/*.stack.ts',
      // The tests of a file share a stack.
      fullyParallel: false,
      expect: { timeout: 15_000 },
    },
    { name: 'canned', testMatch: '*.e2e.ts', use: { baseURL: `http://127.0.0.1:${port}` } },
    { name: 'screenshots', testMatch: 'screenshots.ts', expect: { timeout: 15_000 } },
    { name: 'perf', testMatch: 'perf.ts', timeout: 900_000 },
  ],
  ...(wanted('canned') && {
    webServer: {
      command: `test -f dist/index.html || npm run build; exec npx vite preview --port ${port} --strictPort`,
      url: `http://127.0.0.1:${port}/login`,
      reuseExistingServer: false,
      timeout: 120_000,
    },
  }),
});
