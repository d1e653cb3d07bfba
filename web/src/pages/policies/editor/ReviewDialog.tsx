/** The last look before a policy is saved: what the dry run said, and the document's diff. */
import { useState } from 'react';
import { isApiError } from '../../../api/problem';
import { savePolicy, type PolicyDocument, type PolicyPreview } from '../../../api/queries/policies';
import { ActDialog } from '../../../acts/ActDialog';
import { useAct } from '../../../acts/useAct';
import { TextField } from '../../../ui/Field';
import { ErrorState } from '../../../ui/States';
import { words } from '../../../words';
import { DiffView } from '../../../yaml/DiffView';
import { PreviewContent } from './PreviewPanel';

const text = words.policies.edit;

export function ReviewDialog({
  open,
  onOpenChange,
  document,
  preview,
  seen,
  error,
  before,
  after,
  revision,
  onSaved,
  onStale,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  document: PolicyDocument;
  /** Of exactly this document. */
  preview: PolicyPreview;
  /** Whether it is as new as what it is about. */
  seen: boolean;
  /** Why it could not be made anew. */
  error: Error | null;
  before: string;
  after: string;
  /** Of which it is a change; undefined makes a new one. */
  revision: string | undefined;
  onSaved: (name: string) => void;
  onStale: () => void;
}) {
  const [reason, setReason] = useState('');
  const { name } = document.metadata;
  const act = useAct({
    run: () => savePolicy(document, revision, { reason }),
    stale: ['policies', 'clusters', 'exposure', 'approvals'],
    said: () => text.saved(name),
    onDone: () => onSaved(name),
  });
  const isNew = revision === undefined;
  const consent = preview.consent ?? undefined;
  return (
    <ActDialog
      open={open}
      onOpenChange={onOpenChange}
      title={text.reviewTitle}
      about={text.reviewAbout}
      width="lg"
      action={isNew ? text.create : text.save}
      act={act}
      disabled={!seen}
      onSubmit={() =>
        act.mutate(undefined, {
          onError: (error) => isApiError(error) && error.status === 412 && onStale(),
        })
      }
      equivalent={{
        cli: `holdfast policy preview ${name}.yaml\nholdfast apply -f ${name}.yaml`,
        api: { method: 'PUT', path: `/api/v1/policies/${name}`, body: document },
      }}
    >
      {/* Read from its beginning, wherever a field is. */}
      <div data-autofocus tabIndex={-1} className="space-y-5 outline-none">
        {error !== null && <ErrorState compact error={error} />}
        <PreviewContent preview={preview} runs={false} />
        <section className="space-y-2">
          <h3 className="text-sm font-semibold text-ink-2">{text.documentDiff}</h3>
          <DiffView before={before} after={after} label={text.documentDiff} className="max-h-72" />
        </section>
        {consent !== undefined && (
          <TextField
            label={words.acts.reason}
            help={words.acts.reasonHelp}
            value={reason}
            onChange={({ target }) => setReason(target.value)}
          />
        )}
      </div>
    </ActDialog>
  );
}
