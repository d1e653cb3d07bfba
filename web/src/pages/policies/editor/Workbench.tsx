/** Writing a policy: the editor, its bar, the review before it is saved. */
import { useBlocker } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import type { PolicyDocument } from '../../../api/queries/policies';
import { Button } from '../../../ui/Button';
import { AlertDialog } from '../../../ui/Dialog';
import { words } from '../../../words';
import type { EditView } from '../route';
import { readDraft } from './draft';
import { Editor } from './Editor';
import { ReviewDialog } from './ReviewDialog';
import { usePreview } from './usePreview';

const text = words.policies.edit;

export function Workbench({
  value,
  onChange,
  base,
  revision,
  view,
  onView,
  onSaved,
  onStale,
}: {
  value: string;
  onChange: (value: string) => void;
  /** What is there before; empty for a new one. */
  base: string;
  revision: string | undefined;
  view: EditView | undefined;
  onView: (view: EditView) => void;
  onSaved: (name: string) => void;
  onStale: () => void;
}) {
  const [reviewing, setReviewing] = useState(false);
  // Not a state: who saved leaves in the same moment, before anything is drawn anew.
  const saved = useRef(false);
  const preview = usePreview(value);
  const draft = useMemo(() => readDraft(value), [value]);
  const isNew = revision === undefined;
  const edited = value !== base;
  const seen = preview.current && preview.error === null && preview.data !== undefined;
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) =>
      edited && !saved.current && current.pathname !== next.pathname,
    enableBeforeUnload: () => edited && !saved.current,
    withResolver: true,
  });
  const why = !edited
    ? text.unchanged
    : draft.marks.length > 0
      ? text.faults
      : preview.error !== null
        ? text.refused
        : seen
          ? words.policies.preview.current
          : text.waitDry;
  return (
    <>
      <Editor {...{ value, onChange, preview, view, onView, isNew }} />
      <div className="sticky bottom-0 z-20 -mx-4 mt-5 flex flex-wrap items-center justify-end gap-2 border-t border-line bg-surface px-4 py-3 sm:-mx-6 sm:px-6">
        <p role="status" className="min-w-0 basis-full text-sm text-ink-2 sm:flex-1 sm:basis-0">
          {why}
        </p>
        {edited && !isNew && (
          <Button variant="ghost" onClick={() => onChange(base)}>
            {text.discard}
          </Button>
        )}
        <Button variant="primary" disabled={!edited || !seen} onClick={() => setReviewing(true)}>
          {isNew ? text.reviewNew : text.review}
        </Button>
      </div>
      {/* It stays while the dry run is asked for anew because something else changed. */}
      {(seen || reviewing) && draft.document !== undefined && preview.data !== undefined && (
        <ReviewDialog
          seen={seen}
          error={preview.error}
          open={reviewing}
          onOpenChange={setReviewing}
          document={draft.document as unknown as PolicyDocument}
          preview={preview.data}
          before={base}
          after={value}
          revision={revision}
          onStale={() => {
            setReviewing(false);
            onStale();
          }}
          onSaved={(name) => {
            saved.current = true;
            onSaved(name);
          }}
        />
      )}
      <AlertDialog
        open={blocker.status === 'blocked'}
        onOpenChange={(open) => !open && blocker.status === 'blocked' && blocker.reset()}
        title={text.leaveTitle}
        action={text.leaveAction}
        onConfirm={() => blocker.status === 'blocked' && blocker.proceed()}
      >
        <p>{text.leave}</p>
      </AlertDialog>
    </>
  );
}
