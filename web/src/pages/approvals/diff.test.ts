import { describe, expect, test } from 'vitest';
import { documentsOf, isMine } from './about';
import { canonical, diffLines } from './diff';
import { mayVote, votersOf } from './may';

test('a difference has what goes, what comes and what stays, in order', () => {
  expect(diffLines('a\nb\nc', 'a\nx\nc\nd')).toEqual([
    { kind: 'same', text: 'a' },
    { kind: 'removed', text: 'b' },
    { kind: 'added', text: 'x' },
    { kind: 'same', text: 'c' },
    { kind: 'added', text: 'd' },
  ]);
  expect(diffLines('a', 'a').every(({ kind }) => kind === 'same')).toBe(true);
});

test('the order of keys and what is not said make no difference', () => {
  expect(canonical({ b: [{ y: 1, x: null }], a: 1 })).toBe(canonical({ a: 1, b: [{ y: 1 }] }));
});

test('documents of a request are found, and nothing in other commands', () => {
  const document = { kind: 'Policy', metadata: { name: 'gold' }, spec: {} };
  expect(documentsOf({ command: { apply_documents: { documents: [{ document }] } } })).toEqual([
    { kind: 'Policy', name: 'gold', document: { metadata: { name: 'gold' }, spec: {} } },
  ]);
  expect(documentsOf({ command: { condemn_backups: {} } })).toEqual([]);
});

describe('consent', () => {
  const roles = [
    { name: 'approver', description: '', builtIn: true, permissions: ['approvals:vote'] },
    { name: 'viewer', description: '', builtIn: true, permissions: ['approvals:read'] },
  ];
  const bindings = [
    {
      metadata: { name: 'a' },
      spec: {
        role: 'approver',
        scope: { selector: {} },
        subjects: [{ user: 'ada' }, { user: 'bob' }],
      },
    },
    {
      metadata: { name: 'v' },
      spec: { role: 'viewer', scope: { selector: {} }, subjects: [{ user: 'eve' }] },
    },
  ];

  test('is given by whoever may, and never by who asked', () => {
    const voters = votersOf({ requestedBy: 'user:ada' }, roles, bindings);
    expect(voters.map(({ user, requester }) => [user, requester])).toEqual([
      ['ada', true],
      ['bob', false],
    ]);
    expect(isMine({ requestedBy: 'user:ada' }, { principal: 'user:ada', user: 'ada' })).toBe(true);
    expect(isMine({ requestedBy: 'user:ada' }, { principal: 'user:bob', user: 'bob' })).toBe(false);
  });

  test('takes a role that votes', () => {
    expect(mayVote({ unlimited: false, roles: [{ role: 'viewer' }] }, roles)).toBe(false);
    expect(mayVote({ unlimited: false, roles: [{ role: 'approver' }] }, roles)).toBe(true);
    expect(mayVote({ unlimited: true, roles: [] }, roles)).toBe(true);
  });
});
