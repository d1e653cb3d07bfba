/** Where it is, in a sentence; and what was predicted against what came of it. */
import type { Restore } from '../../api/queries/restores';
import { isOver } from '../../api/queries/restores';
import { formatDuration } from '../../format/time';
import { useNow } from '../../live/now';
import { Card, CardBody } from '../../ui/Card';
import { None } from '../../ui/Values';
import { words } from '../../words';
import { Figure } from '../work/Facts';
import { FailureNote } from '../work/FailureNote';
import { RestorePill } from '../work/pills';

const text = words.restores.detail;

export function Outcome({ restore }: { restore: Restore }) {
  return (
    <Card>
      <CardBody className="space-y-4 pt-4">
        <div className="flex flex-wrap items-center gap-3" aria-live="polite">
          <RestorePill state={restore.state} />
          <p className="text-lg">{words.restores.sentences[restore.state]}</p>
        </div>
        {restore.error != null && <FailureNote failure={restore.error} />}
        <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
          <Loss restore={restore} />
          <Took restore={restore} />
        </div>
      </CardBody>
    </Card>
  );
}

function Loss({ restore }: { restore: Restore }) {
  const { predictedDataLossSeconds: predicted, achievedDataLossSeconds: achieved } = restore;
  if (predicted == null) {
    return (
      <Figure label={text.loss}>
        <span className="text-base font-medium">{text.exact}</span>
      </Figure>
    );
  }
  return (
    <Figure
      label={text.loss}
      note={achieved == null ? text.onlyPredicted : text.predicted(formatDuration(predicted))}
    >
      {formatDuration(achieved ?? predicted)}
    </Figure>
  );
}

function Took({ restore }: { restore: Restore }) {
  const now = useNow();
  const { predictedRtoSeconds: predicted, achievedRtoSeconds: achieved, begunAt } = restore;
  const note = predicted == null ? text.notPredicted : text.predicted(formatDuration(predicted));
  if (achieved != null) {
    return (
      <Figure label={text.duration} note={note}>
        {formatDuration(achieved)}
      </Figure>
    );
  }
  if (begunAt == null || isOver(restore.state)) {
    return (
      <Figure label={text.duration} note={predicted == null ? note : text.onlyPredicted}>
        {predicted == null ? <None /> : formatDuration(predicted)}
      </Figure>
    );
  }
  const soFar = Math.max(0, Math.floor((now - Date.parse(begunAt)) / 1000));
  return (
    <Figure label={text.duration} note={note}>
      {formatDuration(soFar)} <span className="text-base font-medium">{text.soFar}</span>
    </Figure>
  );
}
