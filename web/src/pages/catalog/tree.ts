/** What builds on what: pure. */
export function childrenOf<T extends { id: string; parent: string | null }>(
  of: string,
  all: readonly T[],
): T[] {
  return all.filter(({ parent }) => parent === of);
}
