/** The audit log for spreadsheets (RFC 4180). */
import type { AuditRow } from '../../api/queries/audit';

const COLUMNS = [
  'seq',
  'at',
  'principal',
  'action',
  'target',
  'outcome',
  'requestId',
  'remote',
  'detail',
  'hash',
] as const;

export function csvOf(rows: readonly AuditRow[]): string {
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','));
  return [COLUMNS.join(','), ...lines, ''].join('\r\n');
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // What a spreadsheet would execute is text.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
