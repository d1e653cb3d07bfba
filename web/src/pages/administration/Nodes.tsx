/** The nodes of the control plane: who leads, who is heard, and what removing one leaves. */
import { Crown, Plus, ServerOff } from 'lucide-react';
import { useState } from 'react';
import { useAct } from '../../acts/useAct';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useWholeList } from '../../api/pages';
import { makeLead, nodes, type Node } from '../../api/queries/nodes';
import { Badge, StatusPill } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { SmallTable } from '../../ui/SmallTable';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { AddNode } from './AddNode';
import { Block } from './Block';
import { RemoveNode } from './RemoveNode';

const text = words.administration.nodes;

export function Nodes() {
  const list = useWholeList({ ...nodes.list(), refetchInterval: 10_000 });
  const [adding, setAdding] = useState(false);
  const [leading, setLeading] = useState<Node>();
  const [removing, setRemoving] = useState<Node>();
  return (
    <Block
      title={text.list}
      about={
        <>
          {text.about} {list.complete && list.items.length === 1 && text.one}
        </>
      }
      error={list.items.length === 0 ? list.error : null}
      retry={list.retry}
      actions={
        <Button variant="primary" size="sm" icon={Plus} onClick={() => setAdding(true)}>
          {text.add}
        </Button>
      }
    >
      <SmallTable<Node>
        label={text.list}
        pending={list.pending}
        rows={list.items}
        rowId={({ id }) => String(id)}
        columns={[
          {
            name: text.columns.node,
            cell: ({ id, name }) => (
              <span className="font-medium">
                <span className="whitespace-nowrap">{name}</span>{' '}
                <span className="num font-normal text-ink-3">#{id}</span>
              </span>
            ),
          },
          {
            name: text.columns.role,
            cell: ({ role, voter }) => (
              <span className="flex flex-wrap items-center gap-1.5">
                {role === 'leader' ? (
                  <StatusPill tone="info" icon={Crown}>
                    {text.roles[role]}
                  </StatusPill>
                ) : (
                  (text.roles[role] ?? role)
                )}
                {!voter && <Badge>{text.noVote}</Badge>}
              </span>
            ),
          },
          { name: text.columns.state, cell: (node) => <NodeState node={node} /> },
          {
            name: text.columns.behind,
            from: 'md',
            cell: ({ behind }) =>
              behind === null || behind === undefined ? (
                <None />
              ) : (
                <span className="num">{text.entries(behind)}</span>
              ),
          },
          {
            name: text.columns.address,
            from: 'lg',
            cell: ({ addresses }) =>
              addresses ? <code className="text-xs">{addresses.rest}</code> : <None />,
          },
          {
            name: text.columns.release,
            from: 'lg',
            cell: ({ release }) => (release ? <span className="num">{release}</span> : <None />),
          },
          { name: text.columns.joined, from: 'xl', cell: ({ joinedAt }) => <Time at={joinedAt} /> },
          {
            name: words.administration.act,
            nameHidden: true,
            align: 'end',
            className: 'whitespace-nowrap py-1',
            cell: (node) => (
              <>
                {node.role !== 'leader' && node.voter && (
                  <IconButton
                    icon={Crown}
                    label={`${text.lead}: ${node.name}`}
                    onClick={() => setLeading(node)}
                  />
                )}
                <IconButton
                  icon={ServerOff}
                  label={`${text.remove}: ${node.name}`}
                  onClick={() => setRemoving(node)}
                />
              </>
            ),
          },
        ]}
      />
      {adding && <AddNode known={list.items} onClose={() => setAdding(false)} />}
      {leading !== undefined && <Lead node={leading} onClose={() => setLeading(undefined)} />}
      {removing !== undefined && (
        <RemoveNode node={removing} known={list.items} onClose={() => setRemoving(undefined)} />
      )}
    </Block>
  );
}

function NodeState({ node: { state, reachable } }: { node: Node }) {
  const heard =
    reachable === true ? (
      <StatusPill tone="ok">{text.reachable}</StatusPill>
    ) : reachable === false ? (
      <StatusPill tone="bad">{text.unreachable}</StatusPill>
    ) : (
      <StatusPill tone="unknown">{text.unknown}</StatusPill>
    );
  return (
    <span className="flex flex-wrap items-center gap-1.5">
      {heard}
      {state !== 'member' && <Badge>{text.states[state] ?? state}</Badge>}
    </span>
  );
}

function Lead({ node: { name }, onClose }: { node: Node; onClose: () => void }) {
  const act = useAct({
    run: () => makeLead(name),
    stale: ['nodes', 'status'],
    said: () => text.leads(name),
    onDone: onClose,
  });
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.leadTitle(name)}
      action={text.lead}
      tone="primary"
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={{
        cli: `holdfast node lead ${name}`,
        api: { method: 'POST', path: `/api/v1/nodes/${name}/lead` },
      }}
    >
      <p>{text.leadAbout}</p>
    </ConfirmAct>
  );
}
