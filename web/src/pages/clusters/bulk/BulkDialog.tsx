/**
 * Other labels for many clusters, so that another policy takes them: first what that
 * would do, then all or none.
 */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Cluster } from '../../../api/queries/clusters';
import { applyDocuments, previewDocuments } from '../../../api/queries/documents-dry';
import { formatCount } from '../../../format/size';
import { Button } from '../../../ui/Button';
import { Dialog } from '../../../ui/Dialog';
import { Equivalent } from '../../../ui/Equivalent';
import { TextField } from '../../../ui/Field';
import { ErrorState } from '../../../ui/States';
import { toast } from '../../../ui/Toast';
import { words } from '../../../words';
import { Effect } from './Effect';
import { readKeys, readLabels, relabelled } from './labels';

const text = words.clusters.bulk;
/** One call is all or none; more is more than one answer can show. */
export const BULK_MOST = 1000;

export function BulkDialog({
  clusters,
  onClose,
  onDone,
}: {
  clusters: readonly Cluster[];
  onClose: () => void;
  onDone: () => void;
}) {
  const [set, setSet] = useState('');
  const [remove, setRemove] = useState('');
  const queries = useQueryClient();
  const labels = readLabels(set);
  const documents = labels === undefined ? [] : relabelled(clusters, labels, readKeys(remove));
  const preview = useMutation({ mutationFn: () => previewDocuments(documents) });
  const apply = useMutation({
    mutationFn: () => applyDocuments(documents),
    onSuccess: () => {
      for (const key of ['clusters', 'exposure', 'fleets', 'policies', 'unprotected', 'status']) {
        void queries.invalidateQueries({ queryKey: [key] });
      }
      toast({
        tone: 'ok',
        title: text.done(formatCount(documents.length), documents.length),
      });
      onDone();
    },
  });
  const change = (to: () => void) => {
    to();
    preview.reset();
    apply.reset();
  };
  const tooMany = clusters.length > BULK_MOST;
  const ready = documents.length > 0 && !tooMany;
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.title(formatCount(clusters.length), clusters.length)}
      about={text.about}
      width="lg"
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli="holdfast policy preview clusters.yaml && holdfast apply -f clusters.yaml"
              api={{
                method: 'POST',
                path: '/api/v1/apply',
                body: { documents: documents.slice(0, 2) },
              }}
            />
          </span>
          <Button disabled={!ready} busy={preview.isPending} onClick={() => preview.mutate()}>
            {text.preview}
          </Button>
          <Button
            variant="primary"
            disabled={!ready || preview.data === undefined}
            busy={apply.isPending}
            onClick={() => apply.mutate()}
          >
            {text.apply}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        {tooMany && (
          <p className="rounded-md bg-warn-soft px-3 py-2 font-medium text-warn">
            {text.tooMany(formatCount(BULK_MOST))}
          </p>
        )}
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            label={text.set}
            help={text.labelsHelp}
            placeholder={words.clusters.filters.labelPlaceholder}
            value={set}
            spellCheck={false}
            error={labels === undefined ? words.clusters.filters.labelHelp : undefined}
            onChange={(event) => change(() => setSet(event.target.value))}
          />
          <TextField
            label={text.remove}
            help={text.removeHelp}
            value={remove}
            spellCheck={false}
            onChange={(event) => change(() => setRemove(event.target.value))}
          />
        </div>
        <p className="num text-sm text-ink-2" role="status">
          {text.changes(formatCount(documents.length), documents.length)}
        </p>
        {(preview.error ?? apply.error) !== null && (
          <ErrorState compact error={preview.error ?? apply.error} />
        )}
        {preview.data !== undefined && <Effect preview={preview.data} />}
      </div>
    </Dialog>
  );
}
