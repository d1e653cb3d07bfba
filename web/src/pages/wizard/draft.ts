/** A draft as a request, as a command, and what is still missing in it: pure. */
import type { RestoreRequest } from '../../api/queries/restores';
import { shellWord } from '../../ui/Equivalent';
import { words } from '../../words';
import { hasEdge, readPoint, wrongWith } from './point';
import type { Draft, Step } from './route';
import { STEPS } from './route';

const text = words.wizard;

export const starts = ({ start }: Draft) => start !== false;

const lines = (block: string | undefined) =>
  (block ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

function pairs(block: string | undefined): Record<string, string> | undefined {
  const found = lines(block).map((line) => [line, line.indexOf('=')] as const);
  if (found.length === 0) return undefined;
  return Object.fromEntries(
    found.map(([line, split]) => [line.slice(0, split).trim(), line.slice(split + 1)]),
  );
}

interface Check {
  sql: string;
  expect: string;
}

export function readChecks(block: string | undefined): Check[] {
  return lines(block).map((line) => {
    const split = line.lastIndexOf('=>');
    return { sql: line.slice(0, split).trim(), expect: line.slice(split + 2).trim() };
  });
}

export function requestOf(draft: Draft): RestoreRequest {
  const { cluster = '', at = 'latest', agent, region, repository } = draft;
  const place = {
    ...(agent !== undefined && { agent }),
    ...(region !== undefined && agent === undefined && { region }),
    ...(repository !== undefined && { repository }),
  };
  if (draft.rehearse === true) return { cluster, at, ...place, rehearse: true };
  return { cluster, at, ...edgeOf(draft), ...place, ...serverOf(draft), ...handOverOf(draft) };
}

function edgeOf({ at = 'latest', exclusive }: Draft) {
  return exclusive === true && hasEdge(readPoint(at).kind) ? { exclusive: true } : {};
}

function serverOf(draft: Draft) {
  const { dir, port, action, delta, force } = draft;
  const [set, tablespaceMap, checks] = [
    pairs(draft.set),
    pairs(draft.tablespaces),
    [...readChecks(draft.checks), ...(draft.amcheck === true ? [{ amcheck: true }] : [])],
  ];
  const start = starts(draft);
  return {
    dir: dir ?? '',
    ...(start && { start, ...(port !== undefined && { port }) }),
    ...(action !== undefined && { action }),
    ...(delta === true && { delta }),
    ...(delta === true && force === true && { force }),
    ...(set !== undefined && { set }),
    ...(tablespaceMap !== undefined && { tablespaceMap }),
    ...(checks.length > 0 && { checks }),
  };
}

function handOverOf({ register, fleet, labels, webhooks, secret, hooks }: Draft) {
  const [named, urls, commands] = [pairs(labels), lines(webhooks), lines(hooks)];
  return {
    ...(register !== undefined && {
      register: {
        name: register,
        ...(fleet !== undefined && { fleet }),
        ...(named !== undefined && { labels: named }),
      },
    }),
    ...(urls.length > 0 && {
      webhooks: urls.map((url) => ({ url, ...(secret !== undefined && { secret }) })),
    }),
    ...(commands.length > 0 && { hooks: commands }),
  };
}

/** The command that does the same. */
export function commandOf(draft: Draft, act: 'plan' | 'run', planHash?: string): string {
  const request = requestOf(draft);
  const flags: (string | false)[] = [
    `--at ${shellWord(request.at)}`,
    request.exclusive === true && '--exclusive',
    option('agent', request.agent),
    option('region', request.region),
    option('dir', request.dir),
    option('repository', request.repository),
    request.start === true && '--start',
    request.port != null && `--port ${request.port}`,
    option('action', request.action),
    ...each('set', request.set),
    ...each('tablespace-map', request.tablespaceMap),
    request.delta === true && '--delta',
    request.force === true && '--force',
    (request.checks ?? []).length > 0 && '--checks checks.yaml',
    ...(request.hooks ?? []).map((hook) => `--hook ${shellWord(hook)}`),
    ...(act === 'run' ? runFlags(request, planHash) : []),
  ];
  const said = flags.filter((flag) => flag !== false);
  return [`holdfast restore ${act} ${shellWord(request.cluster)}`, ...said].join(' \\\n  ');
}

function runFlags({ rehearse, register, webhooks }: RestoreRequest, planHash: string | undefined) {
  return [
    rehearse === true && '--rehearse',
    option('plan-hash', planHash),
    option('register', register?.name),
    ...each('label', register?.labels),
    option('fleet', register?.fleet),
    ...(webhooks ?? []).map(({ url }) => `--webhook ${shellWord(url)}`),
    option('webhook-secret', webhooks?.[0]?.secret),
    '--wait',
  ];
}

const option = (name: string, value: string | null | undefined) =>
  value != null && value !== '' && `--${name} ${shellWord(value)}`;

const each = (name: string, values: Record<string, string> | null | undefined) =>
  Object.entries(values ?? {}).map(([key, value]) => `--${name} ${shellWord(`${key}=${value}`)}`);

export type Wrong = Partial<Record<keyof Draft, string>>;

/** What is wrong in a step, by field. */
export function wrongIn(draft: Draft, step: Step): Wrong {
  if (step === 'source') {
    return draft.cluster === undefined ? { cluster: text.source.needCluster } : {};
  }
  if (step === 'point') {
    const wrong = wrongWith(draft.at ?? 'latest');
    return wrong === undefined ? {} : { at: wrong };
  }
  return step === 'target' && draft.rehearse !== true ? wrongTarget(draft) : {};
}

function wrongTarget(draft: Draft): Wrong {
  const { agent, region, dir, action, at = 'latest', register } = draft;
  const target = text.target;
  return {
    ...(agent === undefined && region === undefined && { agent: target.needPlace }),
    ...(!(dir ?? '').startsWith('/') && { dir: target.badDir }),
    ...(action === 'standby' && at !== 'latest' && { action: target.standbyLatest }),
    ...(register !== undefined &&
      (!starts(draft) || (action ?? 'promote') !== 'promote') && {
        register: target.registerRuns,
      }),
    ...wrongLine('set', draft.set, isPair, target.badLine),
    ...wrongLine('tablespaces', draft.tablespaces, isPair, target.badLine),
    ...wrongLine('labels', draft.labels, isPair, target.badLine),
    ...wrongLine('webhooks', draft.webhooks, isUrl, target.badUrl),
    ...wrongLine('checks', draft.checks, isCheck, target.badCheck),
  };
}

const isPair = (line: string) => line.indexOf('=') > 0;
const isUrl = (line: string) => /^https?:\/\/[^@\s]+$/.test(line);
const isCheck = (line: string) => /\S\s*=>\s*\S/.test(line);

function wrongLine(
  field: keyof Draft,
  block: string | undefined,
  fits: (line: string) => boolean,
  say: (line: string) => string,
): Wrong {
  const found = lines(block).find((line) => !fits(line));
  return found === undefined ? {} : { [field]: say(found) };
}

/** The first step in which something is missing; the plan when nothing is. */
export function firstOpen(draft: Draft): Step {
  return STEPS.find((step) => Object.keys(wrongIn(draft, step)).length > 0) ?? 'plan';
}

/** The step that is shown: nobody comes to one before those in front of it are done. */
export function shownStep(draft: Draft): Step {
  const [asked, open] = [STEPS.indexOf(draft.step ?? 'source'), STEPS.indexOf(firstOpen(draft))];
  return STEPS[Math.min(asked, open)] ?? 'source';
}
