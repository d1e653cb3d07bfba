/** Consent, refusal, and taking back one's own request. Nobody consents to the own. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Ban, Check, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { access } from '../../api/queries/access';
import { takeBack, voteOn, type Approval, type Vote } from '../../api/queries/approvals';
import { roles } from '../../api/queries/roles';
import { AlertDialog, Dialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { TextField } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { actionWords, isMine } from './about';
import { mayVote } from './may';

const text = words.approvals;

export function VoteButtons({ request }: { request: Approval }) {
  const me = useQuery(access.me()).data;
  const known = useWholeList(roles.list());
  const [asked, setAsked] = useState<Vote>();
  if (request.state !== 'pending' || me === undefined) return null;
  if (isMine(request, me)) return <TakeBack request={request} />;
  const before = request.votes.find(({ by }) => by === `user:${me.user}`);
  if (before !== undefined) {
    return (
      <p className="text-sm text-ink-2">{text.voted(text.votes[before.vote] ?? before.vote)}</p>
    );
  }
  if (known.complete && !mayVote(me, known.items)) {
    return <p className="text-sm text-ink-2">{text.cannot}</p>;
  }
  return (
    <>
      <Button icon={Ban} onClick={() => setAsked('reject')}>
        {text.reject.action}
      </Button>
      <Button variant="primary" icon={Check} onClick={() => setAsked('approve')}>
        {text.consent.action}
      </Button>
      {asked !== undefined && (
        <VoteDialog request={request} vote={asked} onClose={() => setAsked(undefined)} />
      )}
    </>
  );
}

function VoteDialog({
  request,
  vote,
  onClose,
}: {
  request: Approval;
  vote: Vote;
  onClose: () => void;
}) {
  const [note, setNote] = useState('');
  const [tried, setTried] = useState(false);
  const queries = useQueryClient();
  const said = note.trim();
  // A refusal without a reason teaches nobody anything.
  const missing = vote === 'reject' && said === '';
  const left = Math.max(0, request.needed - request.approved - 1);
  const act = useMutation({
    mutationFn: () => voteOn(request.id, vote, said),
    onSuccess: async () => {
      await queries.invalidateQueries();
      toast({ tone: 'ok', title: vote === 'approve' ? text.consent.done : text.reject.done });
      onClose();
    },
  });
  const own = vote === 'approve' ? text.consent : text.reject;
  const effect =
    vote === 'reject'
      ? text.reject.about
      : left === 0
        ? text.consent.last
        : text.consent.more(left);
  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title={own.title}
      about={`${actionWords(request.action)} · ${request.subject}`}
      width="sm"
      footer={
        <>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button
            variant={vote === 'approve' ? 'primary' : 'danger'}
            busy={act.isPending}
            onClick={() => {
              setTried(true);
              if (!missing) act.mutate();
            }}
          >
            {own.action}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <p className="font-medium">{effect}</p>
        <TextField
          label={text.note}
          help={text.noteHelp}
          value={note}
          error={tried && missing ? text.noteNeeded : undefined}
          onChange={(event) => setNote(event.target.value)}
        />
        {act.error !== null && <ErrorState compact error={act.error} />}
        <Equivalent
          cli={`holdfast approval ${vote} ${request.id}${said === '' ? '' : ` --note ${shellWord(said)}`}`}
          api={{
            method: 'POST',
            path: `/api/v1/approvals/${request.id}/${vote}`,
            body: said === '' ? {} : { note: said },
          }}
        />
      </div>
    </Dialog>
  );
}

function TakeBack({ request }: { request: Approval }) {
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: () => takeBack(request.id),
    onSuccess: async () => {
      await queries.invalidateQueries();
      setOpen(false);
      toast({ tone: 'info', title: text.takeBack.done });
    },
  });
  return (
    <>
      <Button icon={Undo2} onClick={() => setOpen(true)}>
        {text.takeBack.action}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={text.takeBack.title}
        action={text.takeBack.action}
        tone="primary"
        busy={act.isPending}
        onConfirm={() => act.mutate()}
      >
        <p>{text.takeBack.about}</p>
        {act.error !== null && <ErrorState compact error={act.error} />}
        <Equivalent
          cli={`holdfast approval cancel ${request.id}`}
          api={{ method: 'POST', path: `/api/v1/approvals/${request.id}/cancel` }}
        />
      </AlertDialog>
    </>
  );
}
