import { describe, expect, test, vi } from 'vitest';
import { sendWithSession, unwrap } from './client';
import { ApiError, ownError } from './problem';

const request = () =>
  new Request('http://x/api/v1/jobs', { method: 'POST', body: '{"kind":"full"}' });
const unauthenticated = () => new Response('{}', { status: 401 });

describe('a request', () => {
  test('whose session ran out is sent once more, whole, after a renewal', async () => {
    const bodies: string[] = [];
    const send = vi.fn(async (sent: Request) => {
      bodies.push(await sent.text());
      return bodies.length === 1 ? unauthenticated() : new Response('{}');
    });
    const renew = vi.fn(() => Promise.resolve());
    const response = await sendWithSession(request(), send, renew);
    expect(response.status).toBe(200);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(bodies).toEqual(['{"kind":"full"}', '{"kind":"full"}']);
  });

  test('is not renewed for ever', async () => {
    const send = vi.fn(() => Promise.resolve(unauthenticated()));
    const response = await sendWithSession(request(), send, () => Promise.resolve());
    expect(response.status).toBe(401);
    expect(send).toHaveBeenCalledTimes(2);
  });

  test('of a session that is over answers the 401', async () => {
    const over = ownError('unreadable_answer', 'over', '', 401);
    const send = vi.fn(() => Promise.resolve(unauthenticated()));
    const response = await sendWithSession(request(), send, () => Promise.reject(over));
    expect(response.status).toBe(401);
    expect(send).toHaveBeenCalledTimes(1);
  });

  test('whose renewal got no answer fails for that reason', async () => {
    const away = ownError('unreachable', 'away', '');
    const sent = sendWithSession(
      request(),
      () => Promise.resolve(unauthenticated()),
      () => Promise.reject(away),
    );
    await expect(sent).rejects.toBe(away);
  });

  test('that is refused otherwise is not renewed', async () => {
    const renew = vi.fn(() => Promise.resolve());
    const forbidden = () => Promise.resolve(new Response('{}', { status: 403 }));
    expect((await sendWithSession(request(), forbidden, renew)).status).toBe(403);
    expect(renew).not.toHaveBeenCalled();
  });
});

describe('an answer', () => {
  test('is its data', async () => {
    const data = { items: [] };
    await expect(unwrap(Promise.resolve({ data, response: new Response() }))).resolves.toBe(data);
  });

  test('that is a problem is thrown whole', async () => {
    const response = new Response('', { status: 503, headers: { 'retry-after': '3' } });
    const error = {
      type: '/errors/no_leader',
      code: 'no_leader',
      message: 'no node leads',
      hint: 'wait',
      requestId: 'req_1',
    };
    const thrown = await unwrap(Promise.resolve({ error, response })).catch((e: unknown) => e);
    expect(thrown).toBeInstanceOf(ApiError);
    expect(thrown).toMatchObject({
      code: 'no_leader',
      message: 'no node leads',
      page: '/errors/no_leader',
      requestId: 'req_1',
      retryAfterSeconds: 3,
      temporary: true,
    });
  });

  test('leads to no page of another host', async () => {
    const response = new Response('', { status: 400 });
    const error = { type: 'https://elsewhere.example/x', code: 'invalid', message: 'm', hint: '' };
    await expect(unwrap(Promise.resolve({ error, response }))).rejects.toMatchObject({
      page: undefined,
    });
  });
});
