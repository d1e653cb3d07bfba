/** Users, and the roles they have. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { KeyRound, Trash2, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { access } from '../../api/queries/access';
import {
  bindingOf,
  createUser,
  deleteUser,
  roleBindings,
  setPassword,
  users,
  type User,
} from '../../api/queries/people';
import { Badge } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { TextField } from '../../ui/Field';
import { SmallTable } from '../../ui/SmallTable';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Block } from './Block';

const text = words.administration.users;

export function Users() {
  const list = useWholeList(users.list());
  const bindings = useWholeList(roleBindings.list());
  const me = useQuery(access.me());
  const [making, setMaking] = useState(false);
  const [passwordOf, setPasswordOf] = useState<User>();
  const [deleting, setDeleting] = useState<User>();
  const rolesOf = (name: string) =>
    bindings.items
      .map(bindingOf)
      .filter(({ subjects }) => subjects.some(({ user }) => user === name));
  return (
    <Block
      title={text.list}
      error={list.items.length === 0 ? list.error : null}
      retry={list.retry}
      actions={
        <Button variant="primary" size="sm" icon={UserPlus} onClick={() => setMaking(true)}>
          {text.new}
        </Button>
      }
    >
      <SmallTable<User>
        label={text.list}
        pending={list.pending}
        rows={list.items}
        rowId={({ name }) => name}
        columns={[
          {
            name: text.columns.name,
            cell: ({ name }) => (
              <span className="flex flex-wrap items-center gap-2 font-medium">
                <Link
                  to="/audit"
                  search={{ principal: `user:${name}` }}
                  className="rounded-sm hover:underline"
                >
                  {name}
                </Link>
                {me.data?.user === name && <Badge tone="info">{text.you}</Badge>}
              </span>
            ),
          },
          {
            name: text.columns.roles,
            cell: ({ name }) => {
              const roles = rolesOf(name);
              if (!bindings.complete) return null;
              if (roles.length === 0) return <span className="text-warn">{text.noRole}</span>;
              return (
                <span className="flex flex-wrap gap-1">
                  {roles.map(({ role, scope }, index) => (
                    <Link
                      key={index}
                      to="/administration"
                      search={{ tab: 'access' }}
                      className="rounded-sm hover:brightness-95"
                    >
                      <Badge>{scope.fleet ? `${role} · ${scope.fleet}` : role}</Badge>
                    </Link>
                  ))}
                </span>
              );
            },
          },
          {
            name: text.columns.created,
            from: 'md',
            cell: ({ createdAt }) => <Time at={createdAt} />,
          },
          {
            name: text.columns.changed,
            from: 'lg',
            cell: ({ updatedAt }) => <Time at={updatedAt} />,
          },
          {
            name: words.administration.act,
            nameHidden: true,
            align: 'end',
            className: 'whitespace-nowrap py-1',
            cell: (user) => (
              <>
                <IconButton
                  icon={KeyRound}
                  label={text.setTitle(user.name)}
                  onClick={() => setPasswordOf(user)}
                />
                <IconButton
                  icon={Trash2}
                  label={`${words.administration.delete} ${user.name}`}
                  onClick={() => setDeleting(user)}
                />
              </>
            ),
          },
        ]}
      />
      {making && <Create onClose={() => setMaking(false)} />}
      {passwordOf !== undefined && (
        <Password name={passwordOf.name} onClose={() => setPasswordOf(undefined)} />
      )}
      {deleting !== undefined && (
        <Delete name={deleting.name} onClose={() => setDeleting(undefined)} />
      )}
    </Block>
  );
}

function Create({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const act = useAct({
    run: () => createUser({ name, password }),
    stale: ['users'],
    said: () => text.created(name),
    onDone: onClose,
  });
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.new}
      about={text.createAbout}
      action={text.create}
      act={act}
      disabled={name === '' || password === ''}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast user create ${name === '' ? 'NAME' : name} --password-stdin`,
        api: { method: 'POST', path: '/api/v1/users', body: { name, password: '…' } },
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
      <TextField
        label={text.password}
        type="password"
        autoComplete="new-password"
        value={password}
        onChange={({ target }) => setPassword(target.value)}
      />
    </ActDialog>
  );
}

function Password({ name, onClose }: { name: string; onClose: () => void }) {
  const [password, setTyped] = useState('');
  const act = useAct({
    run: () => setPassword(name, { password }),
    stale: ['users'],
    said: () => text.set(name),
    onDone: onClose,
  });
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.setTitle(name)}
      action={text.setPassword}
      act={act}
      disabled={password === ''}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast user password ${name} --password-stdin`,
        api: { method: 'PUT', path: `/api/v1/users/${name}/password`, body: { password: '…' } },
      }}
    >
      <TextField
        autoFocus
        label={text.passwordNew}
        help={text.passwordHelp}
        type="password"
        autoComplete="new-password"
        value={password}
        onChange={({ target }) => setTyped(target.value)}
      />
    </ActDialog>
  );
}

function Delete({ name, onClose }: { name: string; onClose: () => void }) {
  const act = useAct({
    run: () => deleteUser(name),
    stale: ['users', 'tokens', 'role-bindings'],
    said: () => text.deleted(name),
    onDone: onClose,
  });
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.deleteTitle(name)}
      action={words.administration.delete}
      typed={name}
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={{
        cli: `holdfast user delete ${name}`,
        api: { method: 'DELETE', path: `/api/v1/users/${name}` },
      }}
    >
      <p>{text.deleteAbout}</p>
    </ConfirmAct>
  );
}
