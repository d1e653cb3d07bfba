/** What was looked at when its agent was done, and what was seen. */
import type { Restore } from '../../api/queries/restores';
import { formatDuration } from '../../format/time';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { words } from '../../words';
import { Checks, type CheckLine } from '../work/Checks';
import { readResult } from './result';

const text = words.restores.detail.validate;

export function Validate({ restore }: { restore: Restore }) {
  const lines = linesOf(restore);
  return (
    <Card>
      <CardHeader title={text.title} about={text.about} />
      <CardBody>
        {lines.length === 0 ? (
          <p className="text-ink-2">{text.yet}</p>
        ) : (
          <Checks label={text.title} checks={lines} />
        )}
      </CardBody>
    </Card>
  );
}

function linesOf({ checks, result }: Restore): CheckLine[] {
  const own = checks.map(({ name, passed, seen }) => ({
    name: text.names[name] ?? name,
    passed,
    seen,
  }));
  const asked = (readResult(result)?.checks ?? []).map(({ name, passed, why, millis }) => ({
    name,
    passed,
    seen: why,
    took: formatDuration(millis / 1000),
  }));
  return [...own, ...asked];
}
