/** When a silence ends: after a while from now, or at a time that was chosen. */
export function untilOf(time: string, chosen: Date | undefined, now: number): string | undefined {
  if (time === 'until') {
    return chosen !== undefined && chosen.getTime() > now ? chosen.toISOString() : undefined;
  }
  const hours = Number(time.replace('h', ''));
  return Number.isFinite(hours) ? new Date(now + hours * 3_600_000).toISOString() : undefined;
}
