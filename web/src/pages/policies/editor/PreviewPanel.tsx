/** What the dry run of the document says: the promise, who is affected, what it costs. */
import { CircleCheck, FileWarning, UsersRound } from 'lucide-react';
import type { ReactNode } from 'react';
import type { PolicyPreview } from '../../../api/queries/policies';
import { ErrorState, Skeleton } from '../../../ui/States';
import { words } from '../../../words';
import { Affected, ClusterChips } from '../Affected';
import { Contract } from '../Contract';
import { LintList } from '../Lint';
import { Runs } from '../Runs';

const text = words.policies.preview;

export interface PreviewState {
  /** Of a document before this one, while the new one is asked about. */
  data: PolicyPreview | undefined;
  error: Error | null;
  /** Whether `data` or `error` is about exactly what is written now. */
  current: boolean;
  /** The document is not fit to be asked about yet. */
  waits: boolean;
}

export function PreviewPanel({
  preview,
  onField,
}: {
  preview: PreviewState;
  onField?: (field: string) => void;
}) {
  const { data, error, current, waits } = preview;
  return (
    <section className="rounded-lg border border-line bg-surface">
      <header className="px-4 py-3">
        <h2 className="text-base font-semibold">{text.title}</h2>
        <p role="status" className="text-sm text-ink-2">
          {waits ? text.wait : current ? text.current : text.running}
        </p>
      </header>
      {!waits && (
        <div
          tabIndex={0}
          role="region"
          aria-label={text.title}
          className="scroll-quiet space-y-5 border-t border-line p-4 xl:max-h-[calc(100dvh-16rem)] xl:overflow-y-auto"
          aria-busy={!current || undefined}
        >
          {error !== null && <ErrorState compact error={error} />}
          {error === null && data === undefined && (
            <div aria-hidden className="space-y-3">
              <Skeleton className="h-14 w-full" />
              <Skeleton className="w-2/3" />
              <Skeleton className="w-1/2" />
            </div>
          )}
          {error === null && data !== undefined && (
            <PreviewContent preview={data} {...(onField !== undefined && { onField })} />
          )}
        </div>
      )}
    </section>
  );
}

export function PreviewContent({
  preview,
  onField,
  runs = true,
}: {
  preview: PolicyPreview;
  onField?: (field: string) => void;
  runs?: boolean;
}) {
  const { policies, affected, expires, consent, nextRuns } = preview;
  const lint = policies.flatMap((policy) => policy.lint);
  return (
    <>
      {policies.map(({ policy, contract }) => (
        <Contract key={policy} title={text.contract} text={contract} />
      ))}
      {consent !== null && consent !== undefined && (
        <div className="flex gap-2.5 rounded-lg bg-info-soft p-3">
          <UsersRound aria-hidden className="mt-0.5 size-4 shrink-0 text-info" />
          <div>
            <p className="font-semibold text-info">{text.consent(consent.needed)}</p>
            {consent.because.map((reason) => (
              <p key={reason} className="text-ink-2 first-letter:uppercase">
                {reason}
              </p>
            ))}
          </div>
        </div>
      )}
      {lint.length > 0 && (
        <Part title={text.lint}>
          <LintList lint={lint} {...(onField !== undefined && { onField })} />
        </Part>
      )}
      <Part title={text.affected}>
        {affected.length === 0 ? <Well>{text.noneAffected}</Well> : <Affected groups={affected} />}
      </Part>
      <Part title={text.expires}>
        <Expiry expires={expires} />
      </Part>
      {runs && (
        <Part title={words.policies.runs.title}>
          <Runs runs={nextRuns} />
        </Part>
      )}
    </>
  );
}

function Expiry({ expires }: { expires: PolicyPreview['expires'] }) {
  const { clusters, notLookedAt } = expires;
  return (
    <div className="space-y-2">
      {clusters.length === 0 && <Well>{text.expiresNone}</Well>}
      {clusters.map(({ cluster, backups }) => (
        <div key={cluster} className="flex flex-wrap items-center gap-2">
          <FileWarning aria-hidden className="size-4 text-warn" />
          <span className="font-medium">{text.backups(backups.length)}</span>
          <ClusterChips names={[cluster]} />
        </div>
      ))}
      {notLookedAt > 0 && <p className="text-sm text-warn">{text.notLookedAt(notLookedAt)}</p>}
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="space-y-2">
      <h3 className="text-sm font-semibold text-ink-2">{title}</h3>
      {children}
    </section>
  );
}

function Well({ children }: { children: ReactNode }) {
  return (
    <p className="flex items-center gap-1.5 text-ink-2">
      <CircleCheck aria-hidden className="size-4 text-ok" />
      {children}
    </p>
  );
}
