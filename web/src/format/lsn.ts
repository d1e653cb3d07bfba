/** Positions in WAL: `16/B374D848`. */

export function parseLsn(text: string): bigint | undefined {
  const found = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text.trim());
  if (found === null) return undefined;
  return (BigInt(`0x${found[1]}`) << 32n) | BigInt(`0x${found[2]}`);
}

export function formatLsn(position: bigint): string {
  const hex = (part: bigint) => part.toString(16).toUpperCase();
  return `${hex(position >> 32n)}/${hex(position & 0xff_ff_ff_ffn)}`;
}

/** Bytes from one position to another; undefined when either is none. */
export function lsnDistance(from: string, to: string): number | undefined {
  const [start, end] = [parseLsn(from), parseLsn(to)];
  return start === undefined || end === undefined ? undefined : Number(end - start);
}
