/** Showing a key: warned of first, then shown until it is closed, and kept nowhere here. */
import { useMutation } from '@tanstack/react-query';
import { Download, TriangleAlert } from 'lucide-react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { saveText } from '../../acts/download';
import { exportKey } from '../../api/queries/repositories';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { Dialog } from '../../ui/Dialog';
import { words } from '../../words';

const text = words.repositories.detail;

export function KeyExport({ name, onClose }: { name: string; onClose: () => void }) {
  // Not in a query: what was read there would stay in memory.
  const act = useMutation({ mutationFn: () => exportKey(name), gcTime: 0 });
  const shown = act.data;
  if (shown === undefined) {
    return (
      <ConfirmAct
        open
        onOpenChange={(open) => !open && onClose()}
        title={text.exportTitle(name)}
        action={text.exportAction}
        typed={name}
        act={act}
        onConfirm={() => act.mutate()}
        equivalent={{
          cli: `holdfast repository key export ${name} --to-file ${name}.key`,
          api: { method: 'POST', path: `/api/v1/repositories/${name}/key/export` },
        }}
      >
        <ul className="space-y-2">
          {text.exportWarnings.map((warning) => (
            <li key={warning} className="flex gap-2">
              <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
              {warning}
            </li>
          ))}
        </ul>
      </ConfirmAct>
    );
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.shown}
      about={text.shownAbout}
      footer={
        <Button icon={Download} onClick={() => saveText(`${name}.key`, `${shown.key}\n`)}>
          {text.download}
        </Button>
      }
    >
      <CodeBlock label={text.shown} text={shown.key} />
    </Dialog>
  );
}
