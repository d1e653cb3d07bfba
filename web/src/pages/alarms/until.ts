/** When a silence ends: after a while from now, or at a time that was chosen. */
export function untilOf(time: string, chosen: string, now: number): string | undefined {
  if (time === 'until') {
    const at = Date.parse(chosen);
    return Number.isNaN(at) || at <= now ? undefined : new Date(at).toISOString();
  }
  const hours = Number(time.replace('h', ''));
  return Number.isFinite(hours) ? new Date(now + hours * 3_600_000).toISOString() : undefined;
}
