/** Ids as people tell them apart: `bkp_0c3f…bd7eb` of `bkp_0c3ff5b516e0…`. */
export function shortId(id: string): string {
  const [kind, number] = id.split('_');
  if (number === undefined || number.length <= 12) return id;
  return `${kind}_${number.slice(0, 4)}…${number.slice(-5)}`;
}
