/** Letting an agent in: a token, the command to copy, and its arrival as it happens. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import { agents, makeJoinToken, type Agent, type JoinToken } from '../../api/queries/agents';
import { nodes } from '../../api/queries/nodes';
import { useWholeList } from '../../api/pages';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { Dialog } from '../../ui/Dialog';
import { Select, TextField } from '../../ui/Field';
import { shellWord } from '../../ui/Equivalent';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { caOf, serverOf } from './join';

const text = words.agents.token;
const TTLS = ['15m', '1h', '24h'] as const;
const NAME = /^[a-z0-9-]{1,63}$/;
/** The unit that comes with the agent. */
const START = 'systemctl enable --now holdfast-agent';

export function Enrol({ known, onClose }: { known: readonly Agent[]; onClose: () => void }) {
  const [name, setName] = useState('');
  const [region, setRegion] = useState('');
  const [ttl, setTtl] = useState<(typeof TTLS)[number]>('1h');
  const body = { ttl, ...(region !== '' && { region }) };
  const act = useAct({ run: () => makeJoinToken(body), stale: ['agents'] });
  const wrong = name !== '' && !NAME.test(name) ? text.nameHelp : undefined;
  if (act.data !== undefined) {
    return <Made name={name} region={region} token={act.data} known={known} onClose={onClose} />;
  }
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.title}
      about={text.about}
      action={text.make}
      act={act}
      disabled={!NAME.test(name)}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast agent token create --ttl ${ttl}${region === '' ? '' : ` --region ${shellWord(region)}`}`,
        api: { method: 'POST', path: '/api/v1/agents/tokens', body },
      }}
    >
      <TextField
        autoFocus
        label={text.name}
        help={text.nameHelp}
        error={wrong}
        value={name}
        placeholder={text.example}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => setName(target.value)}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={text.region}
          help={text.regionHelp}
          value={region}
          spellCheck={false}
          onChange={({ target }) => setRegion(target.value.trim())}
        />
        <Select
          label={text.ttl}
          value={ttl}
          options={TTLS.map((value) => ({ value, text: text.ttls[value] }))}
          onValueChange={setTtl}
        />
      </div>
    </ActDialog>
  );
}

function Made({
  name,
  region,
  token,
  known,
  onClose,
}: {
  name: string;
  region: string;
  token: JoinToken;
  known: readonly Agent[];
  onClose: () => void;
}) {
  const members = useWholeList(nodes.list()).items;
  const [typed, setTyped] = useState<string>();
  const server = typed ?? serverOf(members, location.hostname);
  // One of this name that was revoked before is another one.
  const [before] = useState(() => new Set(known.map(({ id }) => id)));
  const seen = useQuery({
    ...agents.detail(name),
    retry: false,
    refetchInterval: 3_000,
  });
  const arrived = seen.data !== undefined && !before.has(seen.data.id);
  const ca = caOf(token.token);
  const enrol = [
    `holdfast-agent enroll --server ${server}`,
    `--token ${token.token}`,
    `--name ${name}${region === '' ? '' : ` --region ${shellWord(region)}`}`,
  ].join(' \\\n  ');
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.title}
      width="lg"
      footer={
        <>
          <p role="status" className="flex min-w-0 flex-1 items-center gap-2">
            {arrived ? (
              <>
                <CircleCheck aria-hidden className="size-4 text-ok" />
                <span className="font-medium">{text.arrived(name)}</span>
              </>
            ) : (
              <>
                <span aria-hidden className="size-2 animate-pulse-soft rounded-full bg-info-mark" />
                <span className="text-ink-2">{text.waiting(name)}</span>
              </>
            )}
          </p>
          {arrived ? (
            <Button asChild variant="primary">
              <Link to="/agents/$agent" params={{ agent: name }}>
                {text.toAgent}
              </Link>
            </Button>
          ) : (
            <Button onClick={onClose}>{text.done}</Button>
          )}
        </>
      }
    >
      <div className="space-y-4">
        <TextField
          label={text.server}
          help={text.serverHelp}
          mono
          value={server}
          spellCheck={false}
          onChange={({ target }) => setTyped(target.value)}
        />
        <div className="space-y-1.5">
          <h3 className="font-medium">{text.step1}</h3>
          <CodeBlock label={text.enrolCommand} text={enrol} />
          <p className="text-sm text-ink-2">
            {text.until} <Time at={token.expiresAt} />. {text.once}
          </p>
        </div>
        <div className="space-y-1.5">
          <h3 className="font-medium">{text.step2}</h3>
          <CodeBlock label={text.startCommand} text={START} />
        </div>
        {ca !== undefined && (
          <p className="text-sm text-ink-2">
            {text.ca} <code className="text-xs break-all">{ca}</code>
          </p>
        )}
      </div>
    </Dialog>
  );
}
