/** Who did something, as people say it: the API names a principal by its kind and name. */
import { words } from '../words';

const kinds: Record<string, string> = words.subjects;

/** `ada` of `user:ada`, `agent db1` of `agent:db1`; anything else as it is. */
export function whoOf(principal: string): string {
  const [kind = '', ...rest] = principal.split(':');
  const name = rest.join(':');
  if (name === '') return principal;
  if (kind === 'user') return name;
  const word = kinds[`${kind}s`];
  return word === undefined ? principal : `${word} ${name}`;
}
