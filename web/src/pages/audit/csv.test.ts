import { expect, test } from 'vitest';
import type { AuditRow } from '../../api/queries/audit';
import { csvOf } from './csv';

const row = (changed: Partial<AuditRow>): AuditRow => ({
  seq: 1,
  at: '2026-02-03T00:00:00Z',
  principal: 'user:ada',
  action: 'create_user',
  target: 'users/grace',
  outcome: 'accepted',
  requestId: 'req_1',
  remote: null,
  detail: {},
  hash: 'ab',
  ...changed,
});

test('quotes, and nothing that a spreadsheet would execute', () => {
  const [head, line] = csvOf([
    row({ target: '=cmd()', principal: 'a "b", c', detail: { x: '1' } as never }),
  ]).split('\r\n');
  expect(head).toBe('seq,at,principal,action,target,outcome,requestId,remote,detail,hash');
  expect(line).toBe(
    '1,2026-02-03T00:00:00Z,"a ""b"", c",create_user,\'=cmd(),accepted,req_1,,"{""x"":""1""}",ab',
  );
});
