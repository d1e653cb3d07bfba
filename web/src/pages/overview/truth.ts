/** The state of all in a sentence, and the worst of them: pure. */
import type { Compliance, Exposure } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { words } from '../../words';

const text = words.overview;

export type Verdicts = Partial<Record<Compliance, number>>;

export const ORDER: readonly Compliance[] = [
  'VIOLATED',
  'UNPROTECTED',
  'UNKNOWN',
  'AT_RISK',
  'EXEMPT',
  'COMPLIANT',
];

export function sentenceOf(verdicts: Verdicts, clusters: number): string {
  const over = verdicts.VIOLATED ?? 0;
  const all = formatCount(clusters);
  if (over > 0) {
    return clusters === 1
      ? text.sentence.overOnly
      : text.sentence.over(formatCount(over), all, over);
  }
  const judged = ORDER.filter((each) => each !== 'UNPROTECTED').some(
    (each) => (verdicts[each] ?? 0) > 0,
  );
  return judged ? text.sentence.none(all, clusters) : text.sentence.withoutRpo(all, clusters);
}

export interface Aside {
  /** Undefined for servers that belong to no cluster. */
  verdict: Compliance | undefined;
  text: string;
}

/** What the sentence alone would hide. */
export function asidesOf(verdicts: Verdicts, servers: number): Aside[] {
  const said = {
    UNPROTECTED: text.more.unprotected,
    UNKNOWN: text.more.unknown,
    AT_RISK: text.more.atRisk,
    EXEMPT: text.more.exempt,
  } as const;
  const asides = (['UNPROTECTED', 'UNKNOWN', 'AT_RISK', 'EXEMPT'] as const).flatMap(
    (verdict): Aside[] => {
      const count = verdicts[verdict] ?? 0;
      return count === 0 ? [] : [{ verdict, text: said[verdict](formatCount(count), count) }];
    },
  );
  if (servers === 0) return asides;
  return [
    ...asides,
    { verdict: undefined, text: text.more.servers(formatCount(servers), servers) },
  ];
}

/** How many times what it may lose it would; endless when that is everything. */
export function heightOf({
  exposureSeconds,
  rpoSeconds,
}: Pick<Exposure, 'exposureSeconds' | 'rpoSeconds'>): number {
  if (exposureSeconds == null) return Number.POSITIVE_INFINITY;
  if (rpoSeconds == null) return exposureSeconds / 1e9;
  return exposureSeconds / Math.max(rpoSeconds, 0.001);
}

export type ProofState = 'proven' | 'no_drill' | 'drill_failed' | 'drill_too_old';
export const PROOFS: readonly ProofState[] = [
  'proven',
  'drill_too_old',
  'no_drill',
  'drill_failed',
];
