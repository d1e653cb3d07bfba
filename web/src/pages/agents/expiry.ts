/** How near the end of a certificate is: agents renew theirs when a third is left. */
import type { Agent } from '../../api/queries/agents';

const DAY = 86_400_000;

export function expiryOf(agent: Agent, now: number): 'fine' | 'near' | 'over' {
  const left = Date.parse(agent.certificateExpiresAt) - now;
  if (left <= 0) return 'over';
  // `certificate_expiring` opens at fourteen days.
  return left < 14 * DAY ? 'near' : 'fine';
}

/** `150018` of PostgreSQL is 15.18. */
export function postgresVersion(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`;
}
