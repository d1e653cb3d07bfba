/** How much time above the RPO an objective leaves, and how much of it is left. */
import type { ComplianceRow } from '../../api/queries/compliance';

export const TARGETS = ['99', '99.5', '99.9', '99.95', '99.99'] as const;
export type Target = (typeof TARGETS)[number];

export interface Budget {
  /** Seconds. */
  whole: number;
  used: number;
  /** Below nothing when more was used than there was. */
  left: number;
}

/** Undefined where nothing is measured, for there is no RPO. */
export function budgetOf(row: ComplianceRow, target: Target): Budget | undefined {
  if (row.rpoSeconds == null || row.eligibleSeconds <= 0) return undefined;
  const whole = row.eligibleSeconds * (1 - Number(target) / 100);
  const used = Math.max(0, row.violatedSeconds - row.violatedExemptSeconds);
  return { whole, used, left: whole - used };
}

export type Order = 'budget' | 'name';

export function ordered(
  rows: readonly ComplianceRow[],
  target: Target,
  order: Order,
): ComplianceRow[] {
  if (order === 'name') return [...rows];
  const left = (row: ComplianceRow) => {
    const budget = budgetOf(row, target);
    return budget === undefined ? 2 : budget.left / Math.max(1, budget.whole);
  };
  return rows
    .map((row) => ({ row, share: left(row) }))
    .toSorted((a, b) => a.share - b.share)
    .map(({ row }) => row);
}
