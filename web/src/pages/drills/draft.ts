/** A drill that is about to be asked for: as a request, and as a command. */
import type { DrillRequest } from '../../api/queries/drills';
import { shellWord } from '../../ui/Equivalent';
import { words } from '../../words';

export interface DrillDraft {
  cluster: string | undefined;
  point: 'latest' | 'random' | 'other';
  at: string;
  place: 'any' | 'agent' | 'region';
  agent: string | undefined;
  region: string | undefined;
  repository: string | undefined;
}

export function newDraft(cluster: string | undefined): DrillDraft {
  return {
    cluster,
    point: 'latest',
    at: '',
    place: 'any',
    agent: undefined,
    region: undefined,
    repository: undefined,
  };
}

export function requestOf(draft: DrillDraft): DrillRequest {
  const { agent, region } = placeOf(draft);
  return {
    at: pointOf(draft),
    ...(agent !== undefined && { agent }),
    ...(region !== undefined && { region }),
    ...(draft.repository !== undefined && { repository: draft.repository }),
  };
}

export function commandOf(draft: DrillDraft): string {
  const { agent, region } = placeOf(draft);
  return [
    'holdfast drill run',
    shellWord(draft.cluster ?? 'CLUSTER'),
    `--at ${shellWord(pointOf(draft))}`,
    agent !== undefined && `--agent ${shellWord(agent)}`,
    region !== undefined && `--region ${shellWord(region)}`,
    draft.repository !== undefined && `--repository ${shellWord(draft.repository)}`,
  ]
    .filter((part) => part !== false)
    .join(' ');
}

export interface MissingOfDrill {
  cluster?: string;
  at?: string;
  place?: string;
}

export function missingIn(draft: DrillDraft): MissingOfDrill {
  const { agent, region } = placeOf(draft);
  const text = words.drills.run;
  return {
    ...(draft.cluster === undefined && { cluster: text.needCluster }),
    ...(draft.point === 'other' && draft.at.trim() === '' && { at: text.needPoint }),
    ...(draft.place !== 'any' &&
      agent === undefined &&
      region === undefined && { place: text.needPlace }),
  };
}

function pointOf({ point, at }: DrillDraft): string {
  return point === 'other' ? at.trim() : point;
}

function placeOf({ place, agent, region }: DrillDraft) {
  return {
    agent: place === 'agent' ? agent : undefined,
    region: place === 'region' ? region : undefined,
  };
}
