/** Sizes and counts as people read them. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `812 B`, `396.0 MiB`, `1.2 TiB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  let value = Math.abs(bytes);
  let unit = 0;
  // What would be rounded to 1024.0 belongs to the next unit.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const sign = bytes < 0 ? '−' : '';
  return `${sign}${unit === 0 ? String(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** `10,000`. Not by Intl, which takes 60 ms to wake up: a tenth of a page's first view. */
export function formatCount(count: number): string {
  const [whole = '', part] = String(count).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return part === undefined ? grouped : `${grouped}.${part.slice(0, 3)}`;
}

/** `99.98 %`; only what is whole is `100 %`. */
export function formatPercent(share: number): string {
  if (share >= 1) return '100 %';
  if (share <= 0) return '0 %';
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}
