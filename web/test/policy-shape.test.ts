/**
 * The fields that the editor of policies knows are those of the OpenAPI document.
 *
 * @vitest-environment node
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PLAN_SHAPE, POLICY_SHAPE } from '../src/pages/policies/editor/shape';
import type { Shape } from '../src/yaml/shape';

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  oneOf?: Schema[];
  allOf?: Schema[];
}
const { components } = JSON.parse(readFileSync('../controlplane/openapi.json', 'utf8')) as {
  components: { schemas: Record<string, Schema> };
};

/** Follows references, and what may also be null. */
function resolved(schema: Schema): Schema {
  const found = schema.$ref?.split('/').at(-1);
  if (found !== undefined) return resolved(components.schemas[found] ?? {});
  const one = (schema.oneOf ?? schema.allOf)?.find(({ type }) => type !== 'null');
  return one === undefined ? schema : resolved(one);
}

function shapeOf(given: Schema): Shape {
  const schema = resolved(given);
  if (schema.properties !== undefined) {
    const fields = Object.entries(schema.properties).map(([name, of]) => [name, shapeOf(of)]);
    return { kind: 'map', fields: Object.fromEntries(fields) as Record<string, Shape> };
  }
  if (schema.items !== undefined) return { kind: 'list', of: shapeOf(schema.items) };
  return [schema.type].flat().includes('object') ? { kind: 'open' } : { kind: 'value' };
}

test('the editor knows every field of a policy, and no other', () => {
  expect(POLICY_SHAPE).toEqual(shapeOf({ $ref: '#/components/schemas/PolicyDocument' }));
});

test('and every field of a drill plan', () => {
  expect(PLAN_SHAPE).toEqual(shapeOf({ $ref: '#/components/schemas/DrillPlanDocument' }));
});
