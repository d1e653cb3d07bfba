import { expect, test } from 'vitest';
import { whoOf } from './who';

test.each([
  ['user:ada', 'ada'],
  ['agent:db1', 'agent db1'],
  ['user:a:b', 'a:b'],
  ['control-plane', 'control-plane'],
  ['strange:thing', 'strange:thing'],
])('%s is told as %s', (principal, told) => expect(whoOf(principal)).toBe(told));
