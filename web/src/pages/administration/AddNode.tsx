/** Letting a node join: a token, and the commands to copy. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { makeNodeToken, type Node } from '../../api/queries/nodes';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { Dialog } from '../../ui/Dialog';
import { TextField } from '../../ui/Field';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { serverOf } from '../agents/join';

const text = words.administration.nodes;
const NAME = /^[a-z0-9-]{1,63}$/;
const TTL = '1h';

export function AddNode({ known, onClose }: { known: readonly Node[]; onClose: () => void }) {
  const [name, setName] = useState('');
  const act = useMutation({ mutationFn: () => makeNodeToken(TTL), gcTime: 0 });
  if (act.data !== undefined) {
    const join = [
      `holdfastd join --server ${serverOf(known, location.hostname)}`,
      `--token ${act.data.token}`,
      `--name ${name} --data /var/lib/holdfast --advertise ${name}`,
    ].join(' \\\n    ');
    const run = [
      'holdfastd run --data /var/lib/holdfast',
      '--rest 0.0.0.0:8080 --grpc 0.0.0.0:8443',
      `--raft 0.0.0.0:8444 --advertise ${name}`,
    ].join(' \\\n    ');
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && onClose()}
        title={text.add}
        width="lg"
        footer={<Button onClick={onClose}>{words.common.close}</Button>}
      >
        <div className="space-y-3">
          <h3 className="font-medium">{text.joinStep}</h3>
          <CodeBlock label={text.joinCommand} text={`${join}\n${run}`} />
          <p className="text-sm text-ink-2">
            {text.once} <Time at={act.data.expiresAt} absolute />.
          </p>
        </div>
      </Dialog>
    );
  }
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.add}
      about={text.addAbout}
      action={text.addToken}
      act={act}
      disabled={!NAME.test(name)}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast node add --ttl ${TTL}`,
        api: { method: 'POST', path: '/api/v1/nodes/tokens', body: { ttl: TTL } },
      }}
    >
      <TextField
        autoFocus
        label={text.name}
        help={text.nameHelp}
        value={name}
        placeholder={text.example}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => setName(target.value)}
      />
    </ActDialog>
  );
}
