/** How far a running job is: bytes, rate and time left as the API tells them. */
import type { Job } from '../../api/queries/jobs';
import { formatBytes } from '../../format/size';
import { formatDuration } from '../../format/time';
import { Progress } from '../../ui/Progress';
import { words } from '../../words';

const text = words.work;

export function LiveProgress({ job, className }: { job: Job; className?: string }) {
  const progress = job.progress ?? undefined;
  const label = text.progressOf(`${text.jobKinds[job.kind]} ${job.cluster}`);
  const total = progress?.bytesTotal ?? undefined;
  const share =
    progress === undefined || total === undefined || total === 0
      ? undefined
      : progress.bytesDone / total;
  const phase = progress?.phase ?? job.phase ?? undefined;
  return (
    <div className={className}>
      <Progress label={label} share={share} />
      <p className="num mt-1.5 flex flex-wrap gap-x-3 text-sm text-ink-2">
        {phase !== undefined && <span className="font-medium text-ink">{text.phases[phase]}</span>}
        {progress !== undefined && progress.bytesDone > 0 && (
          <span>
            {total === undefined
              ? text.doneBytes(formatBytes(progress.bytesDone))
              : text.ofBytes(formatBytes(progress.bytesDone), formatBytes(total))}
          </span>
        )}
        {progress?.rate != null && <span>{text.rate(formatBytes(Math.round(progress.rate)))}</span>}
        {progress?.remainingSeconds != null && (
          <span>{text.left(formatDuration(Math.ceil(progress.remainingSeconds)))}</span>
        )}
      </p>
    </div>
  );
}
