/** API tokens: made once, shown once, revoked for good. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Ban, CircleCheck, Clock, KeySquare, Plus } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { makeToken, revokeToken, tokens, type Token } from '../../api/queries/people';
import { useNow } from '../../live/now';
import { StatusPill } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { Dialog } from '../../ui/Dialog';
import { Select, TextField } from '../../ui/Field';
import { SmallTable } from '../../ui/SmallTable';
import { EmptyState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Block } from './Block';
import { tokenState } from './states';

const text = words.administration.tokens;
const LIFETIMES = ['30d', '90d', '365d', ''] as const;
const LOOKS = {
  active: { tone: 'ok', icon: CircleCheck },
  expired: { tone: 'idle', icon: Clock },
  revoked: { tone: 'idle', icon: Ban },
} as const;

export function Tokens() {
  const list = useWholeList(tokens.list());
  const now = useNow();
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token>();
  return (
    <Block
      title={text.list}
      about={text.about}
      error={list.items.length === 0 ? list.error : null}
      retry={list.retry}
      actions={
        <Button variant="primary" size="sm" icon={Plus} onClick={() => setMaking(true)}>
          {text.new}
        </Button>
      }
    >
      <SmallTable<Token>
        label={text.list}
        pending={list.pending}
        rows={list.items}
        rowId={({ id }) => id}
        empty={
          <EmptyState icon={KeySquare} title={text.empty.title}>
            <p>{text.empty.about}</p>
          </EmptyState>
        }
        columns={[
          {
            name: text.columns.name,
            cell: ({ name }) => <span className="font-medium">{name}</span>,
          },
          {
            name: text.columns.state,
            cell: (token) => {
              const state = tokenState(token, now);
              return (
                <StatusPill tone={LOOKS[state].tone} icon={LOOKS[state].icon}>
                  {text.states[state]}
                </StatusPill>
              );
            },
          },
          {
            name: text.columns.created,
            from: 'md',
            cell: ({ createdAt }) => <Time at={createdAt} />,
          },
          {
            name: text.columns.expires,
            cell: ({ expiresAt }) =>
              expiresAt ? <Time at={expiresAt} /> : <span className="text-warn">{text.never}</span>,
          },
          {
            name: words.administration.act,
            nameHidden: true,
            align: 'end',
            cell: (token) =>
              tokenState(token, now) === 'active' && (
                <Button size="sm" onClick={() => setRevoking(token)}>
                  {text.revoke}
                </Button>
              ),
          },
        ]}
      />
      {making && <Make onClose={() => setMaking(false)} />}
      {revoking !== undefined && <Revoke token={revoking} onClose={() => setRevoking(undefined)} />}
    </Block>
  );
}

function Make({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [expiresIn, setExpiresIn] = useState<(typeof LIFETIMES)[number]>('90d');
  const body = { name, ...(expiresIn !== '' && { expiresIn }) };
  // Its text is here until this is closed, and nowhere else.
  const act = useMutation({
    mutationFn: () => makeToken(body),
    gcTime: 0,
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['tokens'] }),
  });
  if (act.data !== undefined) {
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && onClose()}
        title={text.shown}
        about={text.shownAbout}
        footer={<Button onClick={onClose}>{words.common.close}</Button>}
      >
        <CodeBlock label={text.shown} text={act.data.token} />
      </Dialog>
    );
  }
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.new}
      about={text.about}
      action={text.create}
      act={act}
      disabled={name === ''}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast token create ${name === '' ? 'NAME' : name}${expiresIn === '' ? '' : ` --expires-in ${expiresIn}`}`,
        api: { method: 'POST', path: '/api/v1/tokens', body },
      }}
    >
      <TextField
        autoFocus
        label={text.name}
        help={text.nameHelp}
        value={name}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => setName(target.value)}
      />
      <Select
        label={text.expires}
        help={expiresIn === '' ? text.forEver : undefined}
        value={expiresIn}
        options={LIFETIMES.map((value) => ({ value, text: text.lifetimes[value] }))}
        onValueChange={setExpiresIn}
      />
    </ActDialog>
  );
}

function Revoke({ token: { id, name }, onClose }: { token: Token; onClose: () => void }) {
  const act = useAct({
    run: () => revokeToken(id),
    stale: ['tokens'],
    said: () => text.revoked(name),
    onDone: onClose,
  });
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.revokeTitle(name)}
      action={text.revoke}
      typed={name}
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={{
        cli: `holdfast token revoke ${name}`,
        api: { method: 'DELETE', path: `/api/v1/tokens/${id}` },
      }}
    >
      <p>{text.revokeAbout}</p>
    </ConfirmAct>
  );
}
