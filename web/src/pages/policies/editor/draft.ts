/** A policy as it is being written: its text, what that says, and what is wrong in it. */
import { words } from '../../../words';
import { unknownFields, type Shape } from '../../../yaml/shape';
import {
  readYaml,
  valueAt,
  withValue,
  writeYaml,
  type Path,
  type YamlRead,
} from '../../../yaml/twin';
import type { LineMark } from '../../../yaml/YamlEditor';
import { POLICY_SHAPE } from './shape';

export const EMPTY_POLICY = `apiVersion: holdfast/v1
kind: Policy
metadata:
  name: ""
spec:
  selector: {}
  repository: ""
`;

/** These say something even when they are empty. */
const KEEP = ['spec.selector'];

export interface Draft {
  read: YamlRead;
  /** Without faults: what would be sent. */
  document: Record<string, unknown> | undefined;
  marks: LineMark[];
}

export function readDraft(text: string, shape: Shape = POLICY_SHAPE): Draft {
  const read = readYaml(text, words.yaml);
  const marks: LineMark[] = read.faults.map(({ line, message }) => ({ line, message }));
  if (read.value !== undefined) {
    for (const { path, field, meant, expected } of unknownFields(shape, read.value)) {
      marks.push({
        line: read.lineOf(path),
        field,
        message: words.yaml.unknownField(meant, expected),
      });
    }
  }
  return { read, document: marks.length === 0 ? read.value : undefined, marks };
}

export function changed(text: string, path: Path, value: unknown): string {
  return withValue(text, path, value === '' ? undefined : value, KEEP);
}

export function nameOf(draft: Draft): string {
  const name = valueAt(draft.read.value, ['metadata', 'name']);
  return typeof name === 'string' ? name : '';
}

/** The document of a stored policy as text, in the order in which people think. */
export function policyText(policy: {
  apiVersion: string;
  kind: string;
  metadata: object;
  spec: object;
}): string {
  const { apiVersion, kind, metadata, spec } = policy;
  return writeYaml({ apiVersion, kind, metadata, spec: ordered(spec) });
}

const ORDER = [
  'selector',
  'priority',
  'objectives',
  'repository',
  'copies',
  'wal',
  'schedules',
  'retention',
  'drills',
  'limits',
  'approvals',
  'compression',
];
const FIRST = ['name', 'kind', 'cron', 'every', 'timezone', 'window'];

function ordered(spec: object): object {
  const given = spec as Record<string, unknown>;
  const keys = [...ORDER, ...Object.keys(given).filter((key) => !ORDER.includes(key))];
  return Object.fromEntries(
    keys
      .filter((key) => key in given)
      .map((key) => [key, Array.isArray(given[key]) ? given[key].map(named) : given[key]]),
  );
}

function named(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  const given = item as Record<string, unknown>;
  const keys = [...FIRST, ...Object.keys(given).filter((key) => !FIRST.includes(key))];
  return Object.fromEntries(keys.filter((key) => key in given).map((key) => [key, given[key]]));
}
