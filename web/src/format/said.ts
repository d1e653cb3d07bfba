/** Sentences of the control plane, with their moments as the rest of the console has them. */
import { formatLocal } from './time';

const MOMENT = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)\b/g;

/** `heard of last at 2026-02-03T01:41:07Z` in this browser's zone. */
export function saidHere(sentence: string): string {
  return sentence.replaceAll(MOMENT, (moment) => {
    const at = new Date(moment);
    return Number.isNaN(at.getTime()) ? moment : formatLocal(at);
  });
}
