/** Giving people a role, somewhere. */
import { X } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { fleets } from '../../api/queries/fleets';
import { bindRole, users, type Role } from '../../api/queries/people';
import { Badge } from '../../ui/Badge';
import { Combobox } from '../../ui/Combobox';
import { Select, TextField } from '../../ui/Field';
import { words } from '../../words';
import { readLabels } from './states';

const text = words.administration.access;
const SCOPES = ['all', 'fleet', 'labels'] as const;

export function NewBinding({ roles, onClose }: { roles: readonly Role[]; onClose: () => void }) {
  const people = useWholeList(users.list()).items.map(({ name }) => name);
  const places = useWholeList(fleets.list()).items.map(({ metadata: { name } }) => name);
  const [name, setName] = useState('');
  const [role, setRole] = useState(roles[0]?.name ?? 'viewer');
  const [who, setWho] = useState<string[]>([]);
  const [where, setWhere] = useState<(typeof SCOPES)[number]>('fleet');
  const [fleet, setFleet] = useState<string>();
  const [labels, setLabels] = useState('');
  const selector = readLabels(labels);
  const scope =
    where === 'all'
      ? { selector: {} }
      : where === 'fleet'
        ? fleet && { fleet }
        : selector && { selector };
  const document = {
    apiVersion: 'holdfast/v1',
    kind: 'RoleBinding' as const,
    metadata: { name },
    spec: { role, scope: scope || {}, subjects: who.map((user) => ({ user })) },
  };
  const act = useAct({
    run: () => bindRole(document),
    stale: ['role-bindings', 'access'],
    said: () => text.created(name),
    onDone: onClose,
  });
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.new}
      about={text.bindingsAbout}
      action={text.create}
      act={act}
      disabled={name === '' || who.length === 0 || !scope}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: 'holdfast apply -f binding.yaml',
        api: {
          method: 'PUT',
          path: `/api/v1/role-bindings/${name === '' ? '…' : name}`,
          body: document,
        },
      }}
    >
      <div className="grid gap-4 sm:grid-cols-2">
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
          label={text.role}
          help={roles.find((each) => each.name === role)?.description}
          value={role}
          options={roles.map((each) => ({ value: each.name, text: each.name }))}
          onValueChange={setRole}
        />
        <div className="space-y-2">
          <Combobox
            label={text.users}
            placeholder={text.addUser}
            value={undefined}
            options={people
              .filter((user) => !who.includes(user))
              .map((value) => ({ value, text: value }))}
            onChange={(user) => user !== undefined && setWho([...who, user])}
          />
          <p className="flex flex-wrap gap-1">
            {who.map((user) => (
              <button
                key={user}
                type="button"
                aria-label={words.common.clear(user)}
                onClick={() => setWho(who.filter((each) => each !== user))}
                className="rounded-sm hover:brightness-95"
              >
                <Badge className="gap-1">
                  {user}
                  <X aria-hidden className="size-3" />
                </Badge>
              </button>
            ))}
          </p>
        </div>
        <div className="space-y-2">
          <Select
            label={text.scope}
            value={where}
            options={SCOPES.map((value) => ({ value, text: text.scopes[value] }))}
            onValueChange={setWhere}
          />
          {where === 'fleet' && (
            <Combobox
              label={text.scopeFleet}
              value={fleet}
              options={places.map((value) => ({ value, text: value }))}
              onChange={setFleet}
            />
          )}
          {where === 'labels' && (
            <TextField
              label={text.scopeLabels}
              help={text.scopeLabelsHelp}
              value={labels}
              placeholder={text.scopeLabelsExample}
              spellCheck={false}
              onChange={({ target }) => setLabels(target.value)}
            />
          )}
        </div>
      </div>
    </ActDialog>
  );
}
