/** Taking a node out: which quorum would be left is seen first. */
import { useQuery } from '@tanstack/react-query';
import { CircleCheck, CircleX } from 'lucide-react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { nodes, removeNode, type Node, type Quorum } from '../../api/queries/nodes';
import { Dialog } from '../../ui/Dialog';
import { cx } from '../../ui/cx';
import { Equivalent } from '../../ui/Equivalent';
import { Facts } from '../../ui/Facts';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';

const text = words.administration.nodes;

export function RemoveNode({
  node: { name },
  known,
  onClose,
}: {
  node: Node;
  known: readonly Node[];
  onClose: () => void;
}) {
  const preview = useQuery(nodes.removal(name));
  const act = useAct({
    run: () => removeNode(name),
    stale: ['nodes', 'status'],
    said: () => text.removed(name),
    onDone: onClose,
  });
  const equivalent = {
    cli: `holdfast node remove ${name} --dry-run\nholdfast node remove ${name}`,
    api: { method: 'DELETE' as const, path: `/api/v1/nodes/${name}` },
  };
  const quorum = preview.data;
  // What would be refused, or is not known yet, has no button to press.
  if (quorum === undefined || !quorum.keepsQuorum) {
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && onClose()}
        title={text.removeTitle(name)}
        width="sm"
      >
        <div className="space-y-3">
          {preview.error !== null && <ErrorState compact error={preview.error} />}
          {preview.isPending && <Skeleton className="h-24 w-full" />}
          {quorum !== undefined && <QuorumLeft quorum={quorum} known={known} />}
          <Equivalent {...equivalent} />
        </div>
      </Dialog>
    );
  }
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.removeTitle(name)}
      action={text.remove}
      typed={name}
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={equivalent}
    >
      <p>{text.removeAbout}</p>
      <QuorumLeft quorum={quorum} known={known} />
    </ConfirmAct>
  );
}

function QuorumLeft({ quorum, known }: { quorum: Quorum; known: readonly Node[] }) {
  const { votersNow, votersAfter, needed, reachable, keepsQuorum } = quorum;
  const named = (ids: readonly number[]) =>
    text.nodeList(
      ids.map((id) => known.find((node) => node.id === id)?.name ?? `#${id}`).join(', '),
    );
  return (
    <section className={cx('rounded-lg p-3 text-ink', keepsQuorum ? 'bg-ok-soft' : 'bg-bad-soft')}>
      <h3
        className={cx(
          'mb-2 flex items-center gap-1.5 font-semibold',
          keepsQuorum ? 'text-ok' : 'text-bad',
        )}
      >
        {keepsQuorum ? (
          <CircleCheck aria-hidden className="size-4" />
        ) : (
          <CircleX aria-hidden className="size-4" />
        )}
        {keepsQuorum ? text.keeps : text.keepsNot}
      </h3>
      <Facts
        facts={[
          { name: text.votersNow, value: named(votersNow) },
          { name: text.votersAfter, value: named(votersAfter) },
          { name: text.needed, value: <span className="num">{needed}</span> },
          { name: text.heard, value: named(reachable) },
        ]}
      />
    </section>
  );
}
