/** Declares a server that was found as a cluster: name, labels, and what that would do. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { applyDocuments, previewDocuments, type Document } from '../../api/queries/documents-dry';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { Dialog } from '../../ui/Dialog';
import { Equivalent } from '../../ui/Equivalent';
import { Select, TextField } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { words } from '../../words';
import { Effect } from '../clusters/bulk/Effect';
import { readLabels } from '../clusters/bulk/labels';
import type { Found } from './servers';

const text = words.unprotected;
const { bulk } = words.clusters;

interface Suggested {
  metadata?: { name?: string; labels?: Record<string, string> };
}

export function ProtectDialog({ found, onClose }: { found: Found; onClose: () => void }) {
  const [agent, setAgent] = useState(found.row.agent);
  const row = found.by.find((each) => each.agent === agent) ?? found.row;
  const suggested = (row.document ?? {}) as Document & Suggested;
  const [name, setName] = useState(suggested.metadata?.name ?? '');
  const [labels, setLabels] = useState('');
  const queries = useQueryClient();
  const navigate = useNavigate();
  const read = readLabels(labels);
  const document: Document = {
    ...suggested,
    metadata: {
      ...suggested.metadata,
      name,
      ...(read !== undefined && Object.keys(read).length > 0 && { labels: read }),
    },
  };
  const preview = useMutation({ mutationFn: () => previewDocuments([document]) });
  const apply = useMutation({
    mutationFn: () => applyDocuments([document]),
    onSuccess: () => {
      for (const key of ['unprotected', 'clusters', 'exposure', 'status']) {
        void queries.invalidateQueries({ queryKey: [key] });
      }
      void navigate({ to: '/clusters/$cluster', params: { cluster: name } });
    },
  });
  const changed = () => {
    preview.reset();
    apply.reset();
  };
  const ready = name !== '' && read !== undefined;
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.protectTitle}
      about={text.protectAbout}
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli="holdfast apply -f cluster.yaml"
              api={{ method: 'POST', path: '/api/v1/apply', body: { documents: [document] } }}
            />
          </span>
          <Button disabled={!ready} busy={preview.isPending} onClick={() => preview.mutate()}>
            {bulk.preview}
          </Button>
          <Button
            variant="primary"
            disabled={!ready || preview.data === undefined}
            busy={apply.isPending}
            onClick={() => apply.mutate()}
          >
            {bulk.apply}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        {apply.error !== null && <ErrorState compact error={apply.error} />}
        {found.by.length > 1 && (
          <Select
            label={text.byAgent}
            help={text.byAgentHelp}
            value={agent}
            options={found.by.map((each) => ({ value: each.agent, text: each.agent }))}
            onValueChange={(next) => {
              setAgent(next);
              changed();
            }}
          />
        )}
        <TextField
          label={words.clusters.columns.name}
          value={name}
          spellCheck={false}
          onChange={(event) => {
            setName(event.target.value.trim());
            changed();
          }}
        />
        <TextField
          label={words.clusters.columns.labels}
          help={bulk.labelsHelp}
          placeholder={text.labelsExample}
          value={labels}
          spellCheck={false}
          error={read === undefined ? words.clusters.filters.labelHelp : undefined}
          onChange={(event) => {
            setLabels(event.target.value);
            changed();
          }}
        />
        <CodeBlock label={text.protectDocument} text={JSON.stringify(document, null, 2)} />
        {preview.error !== null && <ErrorState compact error={preview.error} />}
        {preview.data !== undefined && <Effect preview={preview.data} />}
      </div>
    </Dialog>
  );
}
