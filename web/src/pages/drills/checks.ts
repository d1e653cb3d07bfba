/** How a check is called when it has no name of its own. */
import type { Schemas } from '../../api/client';

export function checkName(check: Schemas['DrillCheck']): string {
  if (check.name != null) return check.name;
  if (check.sql != null) return `${check.sql} ${check.expect ?? ''}`.trim();
  if (check.amcheck === true) return 'amcheck';
  if (check.checksums === true) return 'checksums';
  return `rowCounts ${check.rowCounts ?? ''}`.trim();
}
