/** Roles, and who has them where. */
import { Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { Later } from '../../acts/Later';
import { useAct } from '../../acts/useAct';
import { revisionOf } from '../../api/client';
import { useWholeList } from '../../api/pages';
import {
  bindingOf,
  roleBindings,
  roles,
  unbindRole,
  type Role,
  type RoleBinding,
} from '../../api/queries/people';
import { Badge } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { SmallTable } from '../../ui/SmallTable';
import { words } from '../../words';
import { Block } from './Block';
import { NewBinding } from './NewBinding';
import { scopeOf } from './states';

const text = words.administration.access;

export function Access() {
  const bindings = useWholeList(roleBindings.list());
  const known = useWholeList(roles.list());
  const [making, setMaking] = useState(false);
  const [deleting, setDeleting] = useState<RoleBinding>();
  return (
    <div className="space-y-4">
      <Block
        title={text.bindings}
        about={text.bindingsAbout}
        error={bindings.items.length === 0 ? bindings.error : null}
        retry={bindings.retry}
        actions={
          <Button variant="primary" size="sm" icon={Plus} onClick={() => setMaking(true)}>
            {text.new}
          </Button>
        }
      >
        <SmallTable<RoleBinding>
          label={text.bindings}
          pending={bindings.pending}
          rows={bindings.items}
          rowId={({ metadata }) => metadata.name}
          columns={[
            {
              name: text.columns.who,
              cell: (binding) => <span className="font-medium">{whoOf(binding)}</span>,
            },
            { name: text.columns.role, cell: (binding) => bindingOf(binding).role },
            { name: text.columns.where, cell: (binding) => scopeOf(bindingOf(binding).scope) },
            { name: text.columns.binding, from: 'md', cell: ({ metadata }) => metadata.name },
            {
              name: words.administration.act,
              nameHidden: true,
              align: 'end',
              className: 'py-1',
              cell: (binding) => (
                <IconButton
                  icon={Trash2}
                  label={`${words.administration.delete} ${binding.metadata.name}`}
                  onClick={() => setDeleting(binding)}
                />
              ),
            },
          ]}
        />
      </Block>
      <Block
        title={text.roles}
        about={text.rolesAbout}
        error={known.items.length === 0 ? known.error : null}
        retry={known.retry}
      >
        <ul className="divide-y divide-line">
          {known.items.map((role) => (
            <RoleRow key={role.name} role={role} />
          ))}
        </ul>
      </Block>
      <Later>{text.rolesLater}</Later>
      {making && <NewBinding roles={known.items} onClose={() => setMaking(false)} />}
      {deleting !== undefined && (
        <Delete binding={deleting} onClose={() => setDeleting(undefined)} />
      )}
    </div>
  );
}

function RoleRow({ role: { name, description, permissions } }: { role: Role }) {
  return (
    <li className="px-4 py-3">
      <details className="group">
        <summary className="flex cursor-pointer flex-wrap items-baseline gap-x-3 rounded-sm">
          <span className="font-medium">{name}</span>
          <span className="text-ink-2">{description}</span>
          <span className="num ml-auto text-sm text-ink-2 underline decoration-line-strong underline-offset-4">
            {text.permissions(permissions.length)}
          </span>
        </summary>
        <p className="flex flex-wrap gap-1 pt-2">
          {permissions.map((permission) => (
            <Badge key={permission}>{permission}</Badge>
          ))}
        </p>
      </details>
    </li>
  );
}

function Delete({ binding, onClose }: { binding: RoleBinding; onClose: () => void }) {
  const { name } = binding.metadata;
  const act = useAct({
    run: () => unbindRole(name, revisionOf(binding)),
    stale: ['role-bindings', 'access'],
    said: () => text.deleted(name),
    onDone: onClose,
  });
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.deleteTitle(name)}
      action={words.administration.delete}
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={{
        cli: `holdfast delete role-binding ${name}`,
        api: { method: 'DELETE', path: `/api/v1/role-bindings/${name}` },
      }}
    >
      <p>{text.deleteAbout(bindingOf(binding).role, whoOf(binding))}</p>
    </ConfirmAct>
  );
}

const whoOf = (binding: RoleBinding) =>
  bindingOf(binding)
    .subjects.map(({ user }) => user)
    .filter(Boolean)
    .join(', ');
