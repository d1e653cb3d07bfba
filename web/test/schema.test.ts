/**
 * @vitest-environment node
 */
import { readFile } from 'node:fs/promises';
import openapi, { COMMENT_HEADER, astToString } from 'openapi-typescript';
import { expect, test } from 'vitest';

test(
  'the types are those of the OpenAPI document; `npm run schema` makes them anew',
  { timeout: 60_000 },
  async () => {
    const document = new URL('../../controlplane/openapi.json', import.meta.url);
    const made = COMMENT_HEADER + astToString(await openapi(document));
    const kept = await readFile(new URL('../src/api/schema.ts', import.meta.url), 'utf8');
    expect(kept === made, 'src/api/schema.ts is stale: run `npm run schema`').toBe(true);
  },
);
