/** `15.18` of PostgreSQL's `server_version_num` 150018. */
export function version(number: number | null | undefined): string | undefined {
  if (number === null || number === undefined) return undefined;
  return `${Math.floor(number / 10_000)}.${number % 10_000}`;
}
