import { expect, test } from 'vitest';
import { partsOf } from './subject';

test('each pair of a subject leads to its page', () => {
  expect(partsOf('clusters/orders/agents/db1')).toEqual([
    { kind: 'clusters', name: 'orders', page: { to: '/clusters/orders' } },
    { kind: 'agents', name: 'db1', page: { to: '/agents/db1' } },
  ]);
});

test('what has an id has a page of its own', () => {
  const pages = ['backups/bkp_1', 'drills/drl_1', 'restores/rst_1', 'approvals/apr_1'].map(
    (subject) => partsOf(subject)[0]?.page?.to,
  );
  expect(pages).toEqual(['/catalog/bkp_1', '/drills/drl_1', '/restores/rst_1', '/approvals/apr_1']);
});

test('what has no page has no link', () => {
  expect(partsOf('sessions/ses_1')[0]?.page).toBeUndefined();
  expect(partsOf('control-plane')).toEqual([{ kind: 'control-plane', name: '', page: undefined }]);
});

test('a name cannot lead elsewhere', () => {
  expect(partsOf('policies/..%2F')[0]?.page).toEqual({ to: '/policies/..%252F' });
});
