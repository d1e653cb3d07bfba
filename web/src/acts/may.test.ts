import { expect, test } from 'vitest';
import { mayEverywhere } from './may';

const roles = [
  { name: 'viewer', builtIn: true, description: '', permissions: ['policies:read'] },
  {
    name: 'operator',
    builtIn: true,
    description: '',
    permissions: ['policies:read', 'policies:write'],
  },
];
const may = (...held: { role: string; fleet?: string; selector?: Record<string, string> }[]) =>
  mayEverywhere({ unlimited: false, roles: held }, roles, 'policies:write');

test('a role that permits it, for everything', () => {
  expect(may({ role: 'operator', selector: {} })).toBe(true);
  expect(may({ role: 'viewer', selector: {} })).toBe(false);
  expect(may()).toBe(false);
});

test('a role for some clusters is not one for everything', () => {
  expect(may({ role: 'operator', fleet: 'payments' })).toBe(false);
  expect(may({ role: 'operator', selector: { tier: 'gold' } })).toBe(false);
});

test('before there are roles, everybody may', () => {
  expect(mayEverywhere({ unlimited: true, roles: [] }, [], 'policies:write')).toBe(true);
});
