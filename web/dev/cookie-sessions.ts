/**
 * For developing only, and only until the control plane has sessions by cookie: turns
 * its tokens into HttpOnly cookies of the development server. To be deleted then.
 */
import type { Connect } from 'vite';

const ACCESS = 'holdfast_dev_access';
const REFRESH = 'holdfast_dev_refresh';

function cookie(request: Connect.IncomingMessage, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(/;\s*/);
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

async function bodyOf(request: Connect.IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>;
}

export function cookieSessions(target: string): Connect.NextHandleFunction {
  const ask = (path: string, body: object, bearer?: string) =>
    fetch(`${target}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    });
  const set = (name: string, value: string, age: number) =>
    `${name}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${age}`;

  return (request, response, next) => {
    const access = cookie(request, ACCESS);
    if (access !== undefined) request.headers.authorization = `Bearer ${access}`;
    const found = /^\/api\/v1\/auth\/(login|refresh|logout)$/.exec(request.url ?? '');
    if (found === null || request.method !== 'POST') {
      next();
      return;
    }
    const answer = async () => {
      const { user, password } = await bodyOf(request);
      const asked = {
        login: () => ask('/api/v1/auth/login', { user, password }),
        refresh: () =>
          ask('/api/v1/auth/refresh', { refreshToken: cookie(request, REFRESH) ?? '' }),
        logout: () => ask('/api/v1/auth/logout', {}, access),
      }[found[1] as 'login' | 'refresh' | 'logout'];
      const upstream = await asked();
      const body = (await upstream.json()) as Record<string, unknown>;
      response.statusCode = upstream.status;
      response.setHeader('content-type', upstream.headers.get('content-type') ?? '');
      if (upstream.ok && found[1] !== 'logout') {
        response.setHeader('set-cookie', [
          set(ACCESS, String(body['accessToken']), 86_400),
          set(REFRESH, String(body['refreshToken']), 86_400),
        ]);
        response.end(JSON.stringify({ user: body['user'], expiresAt: body['expiresAt'] }));
        return;
      }
      if (found[1] === 'logout') {
        response.setHeader('set-cookie', [set(ACCESS, '', 0), set(REFRESH, '', 0)]);
      }
      response.end(JSON.stringify(body));
    };
    answer().catch(next);
  };
}
