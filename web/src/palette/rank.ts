/** What fits what was typed, the best first: the beginning, then a word's, then anywhere. */
export function rank<T>(typed: string, things: readonly T[], textOf: (thing: T) => string): T[] {
  const sought = typed.toLowerCase();
  if (sought === '') return [...things];
  const scored = things.flatMap((thing) => {
    const score = scoreOf(sought, textOf(thing).toLowerCase());
    return score === undefined ? [] : [{ thing, score }];
  });
  // The sort is stable: among equals the given order stays.
  return scored.sort((a, b) => a.score - b.score).map(({ thing }) => thing);
}

function scoreOf(sought: string, text: string): number | undefined {
  if (text.startsWith(sought)) return 0;
  if (text.split(/[\s\-_.]/).some((word) => word.startsWith(sought))) return 1;
  if (text.includes(sought)) return 2;
  return isSubsequence(sought, text) ? 3 : undefined;
}

function isSubsequence(sought: string, text: string): boolean {
  let at = 0;
  for (const letter of sought) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
