/** Ids as people tell them apart: `bkp_0c3f…bd7eb` of `bkp_0c3ff5b516e0…`. */
export function shortId(id: string): string {
  // What a person named, such as `data_of_the_year`, is no id.
  const [, kind, number] = /^([a-z]+)_([0-9a-f]{13,})$/.exec(id) ?? [];
  return number === undefined ? id : `${kind}_${number.slice(0, 4)}…${number.slice(-5)}`;
}
