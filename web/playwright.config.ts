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

const port = Number(process.env['HOLDFAST_E2E_PORT'] ?? 4174);

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  reporter: 'list',
  use: {
    actionTimeout: 20_000,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env['HOLDFAST_CHROMIUM'] ?? '/usr/bin/chromium',
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
    { name: 'canned', testMatch: '*.e2e.ts', use: { baseURL: `http://127.0.0.1:${port}` } },
    {
      name: 'stack',
      testMatch: 'stack/*.stack.ts',
      // The tests of a file share a stack.
      fullyParallel: false,
      timeout: 180_000,
      expect: { timeout: 15_000 },
    },
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

/** Whether a project is run: all are when none is named. */
function wanted(project: string): boolean {
  const named = process.argv.filter((it) => it.startsWith('--project='));
  return named.length === 0 || named.includes(`--project=${project}`);
}
