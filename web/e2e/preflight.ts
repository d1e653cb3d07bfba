/** Before any test: what it needs and is not there is said at once, with what to do. */
import { canRun, missingPrograms } from './stack/programs';

export const CHROMIUM = process.env['HOLDFAST_CHROMIUM'] ?? '/usr/bin/chromium';

export default function preflight(): void {
  const missing: string[] = [];
  if (!canRun(CHROMIUM)) {
    missing.push(
      `Chromium is not at ${CHROMIUM}: \`apt-get install chromium\`, or say where it is by HOLDFAST_CHROMIUM`,
    );
  }
  if (wanted('stack')) missing.push(...missingPrograms());
  if (missing.length === 0) return;
  const list = missing.map((it) => `  - ${it}`).join('\n');
  throw new Error(`the browser tests lack what they need:\n${list}`);
}

/** Whether a project is run: all are when none is named. */
export function wanted(project: string): boolean {
  const named = process.argv.flatMap((it, index) => {
    if (it.startsWith('--project=')) return [it.slice('--project='.length)];
    return it === '--project' ? [process.argv[index + 1] ?? ''] : [];
  });
  return named.length === 0 || named.includes(project);
}
