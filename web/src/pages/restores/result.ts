/** What an agent reports of a restore; what cannot be read is left out. */
import { z } from 'zod';

const hook = z.object({
  name: z.string(),
  exitCode: z.number().nullish(),
  millis: z.number(),
  output: z.string(),
  failure: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullish(),
});
const check = z.object({
  name: z.string(),
  passed: z.boolean(),
  expect: z.string().nullish(),
  seen: z.string().nullish(),
  why: z.string(),
  millis: z.number(),
});

const result = z.object({
  dir: z.string(),
  port: z.number().nullish(),
  socketDir: z.string().nullish(),
  timeline: z.number(),
  reachedLsn: z.string(),
  reachedTime: z.string().nullish(),
  phases: z.array(z.unknown()).catch([]),
  checks: z.array(check).catch([]),
  hooks: z.array(hook).catch([]),
});

export type RestoreResult = z.infer<typeof result>;

export function readResult(told: unknown): RestoreResult | undefined {
  const read = result.safeParse(told);
  return read.success ? read.data : undefined;
}
