/** What lists of administration tell in a word. */
import type { Schemas } from '../../api/client';
import type { Token } from '../../api/queries/people';
import { words } from '../../words';

export function tokenState(token: Token, now: number): 'active' | 'expired' | 'revoked' {
  if (token.revokedAt) return 'revoked';
  return token.expiresAt && Date.parse(token.expiresAt) <= now ? 'expired' : 'active';
}

const { access, channels } = words.administration;

export function scopeOf(scope: Schemas['BindingScope']): string {
  if (scope.fleet) return access.fleet(scope.fleet);
  const labels = labelsOf(scope.selector);
  return labels === '' ? access.everything : labels;
}

export function labelsOf(selector: Record<string, string> | null | undefined): string {
  return Object.entries(selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

/** `tier=gold, team=a` as a selector; undefined when it cannot be read. */
export function readLabels(text: string): Record<string, string> | undefined {
  const pairs = text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => /^([^=\s]+)=([^=\s]*)$/.exec(pair));
  if (pairs.length === 0 || pairs.includes(null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
}

/** Where a channel leads, as far as it is no secret. */
export function placeOfChannel(spec: Schemas['NotificationChannelSpec']): string {
  const { to, url, urlSecret, routingKeySecret } = spec;
  if (to !== undefined && to.length > 0) return to.join(', ');
  return url ?? urlSecret ?? routingKeySecret ?? '';
}

/** What a channel is told of. */
export function reachOfChannel(spec: Schemas['NotificationChannelSpec']): string[] {
  const { fleets, selector, minimumSeverity, after } = spec;
  const labels = labelsOf(selector);
  const parts = [
    fleets !== undefined && fleets.length > 0 ? channels.fleets(fleets.join(', ')) : undefined,
    labels === '' ? undefined : channels.labels(labels),
    minimumSeverity && minimumSeverity !== 'info'
      ? channels.atLeast(words.alarms.severities[minimumSeverity])
      : undefined,
    after ? channels.after(after) : undefined,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? [channels.everything] : parts;
}
