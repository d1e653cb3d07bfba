/** What a check of a plan looks at, by the one field that says so: pure. */
export const CHECK_KINDS = ['sql', 'amcheck', 'checksums', 'rowCounts'] as const;
export type CheckKind = (typeof CHECK_KINDS)[number];

export function kindOf(check: unknown): CheckKind {
  const said = typeof check === 'object' && check !== null ? check : {};
  return CHECK_KINDS.find((kind) => kind in said) ?? 'sql';
}

export function freshCheck(kind: CheckKind): Record<string, unknown> {
  if (kind === 'sql') return { sql: '', expect: '' };
  return kind === 'rowCounts' ? { rowCounts: 'drift <= 20%' } : { [kind]: true };
}

export const NEW_PLAN = `apiVersion: holdfast/v1
kind: DrillPlan
metadata:
  name: ""
spec:
  selector: {}
  cron: 0 6 * * 1
  at: latest
  checks:
    - amcheck: true
`;
