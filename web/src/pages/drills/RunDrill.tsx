/** Asks for a drill now. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Play } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { runDrill } from '../../api/queries/drills';
import { places } from '../../api/queries/places';
import { Button, IconButton } from '../../ui/Button';
import { Combobox } from '../../ui/Combobox';
import { Dialog } from '../../ui/Dialog';
import { Equivalent } from '../../ui/Equivalent';
import { Select, TextField } from '../../ui/Field';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';
import { JobLink } from '../work/links';
import { commandOf, missingIn, newDraft, requestOf, type DrillDraft } from './draft';

const text = words.drills.run;

export function RunDrill({
  cluster,
  label,
  compact = false,
}: {
  cluster: string | undefined;
  label?: string;
  compact?: boolean;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      {compact ? (
        <IconButton
          icon={Play}
          size="sm"
          label={words.drills.rehearse(cluster ?? '')}
          onClick={() => setOpen(true)}
        />
      ) : (
        <Button icon={Play} onClick={() => setOpen(true)}>
          {label}
        </Button>
      )}
      {open && <RunDialog cluster={cluster} onClose={() => setOpen(false)} />}
    </>
  );
}

function RunDialog({ cluster, onClose }: { cluster: string | undefined; onClose: () => void }) {
  const [draft, setDraft] = useState<DrillDraft>(() => newDraft(cluster));
  const [tried, setTried] = useState(false);
  const change = (changed: Partial<DrillDraft>) => setDraft({ ...draft, ...changed });
  const queries = useQueryClient();
  const missing = missingIn(draft);
  const run = useMutation({
    mutationFn: () => runDrill(draft.cluster ?? '', requestOf(draft)),
    onSuccess: async ({ job }) => {
      await queries.invalidateQueries({ queryKey: ['jobs'] });
      toast({ tone: 'ok', title: text.started, more: <JobLink id={job} /> });
      onClose();
    },
  });
  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title={text.title}
      about={text.about}
      footer={
        <>
          <Equivalent
            cli={commandOf(draft)}
            api={{
              method: 'POST',
              path: `/api/v1/clusters/${draft.cluster ?? ''}/drills`,
              body: requestOf(draft),
            }}
          />
          <span className="flex-1" />
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button
            variant="primary"
            icon={Play}
            busy={run.isPending}
            onClick={() => {
              setTried(true);
              if (Object.keys(missing).length === 0) run.mutate();
            }}
          >
            {text.submit}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Fields draft={draft} change={change} missing={tried ? missing : {}} />
        <p className="text-sm text-ink-2">{text.checks}</p>
        {run.error !== null && <ActOutcome error={run.error} />}
      </div>
    </Dialog>
  );
}

function Fields({
  draft,
  change,
  missing,
}: {
  draft: DrillDraft;
  change: (changed: Partial<DrillDraft>) => void;
  missing: ReturnType<typeof missingIn>;
}) {
  const known = useWholeList(clusters.list());
  const agents = useWholeList(places.agents());
  const repositories = useWholeList(places.repositories());
  const names = (items: readonly { metadata: { name: string } }[]) =>
    items.map(({ metadata: { name } }) => ({ value: name, text: name }));
  const regions = [...new Set(agents.items.flatMap(({ region }) => region ?? []))];
  return (
    <>
      <Combobox
        label={text.cluster}
        value={draft.cluster}
        error={missing.cluster}
        options={names(known.items)}
        onChange={(cluster) => change({ cluster })}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <Select
          label={text.to}
          value={draft.point}
          options={(['latest', 'random', 'other'] as const).map((value) => ({
            value,
            text: text.points[value],
          }))}
          onValueChange={(point) => change({ point })}
        />
        {draft.point === 'other' && (
          <TextField
            label={text.point}
            help={text.pointHelp}
            error={missing.at}
            mono
            value={draft.at}
            onChange={(event) => change({ at: event.target.value })}
          />
        )}
      </div>
      <div className="grid gap-4 sm:grid-cols-2">
        <Select
          label={text.where}
          value={draft.place}
          options={(['any', 'agent', 'region'] as const).map((value) => ({
            value,
            text: text.places[value],
          }))}
          onValueChange={(place) => change({ place })}
        />
        {draft.place === 'agent' && (
          <Combobox
            label={text.agent}
            error={missing.place}
            value={draft.agent}
            options={agents.items.map(({ name }) => ({ value: name, text: name }))}
            onChange={(agent) => change({ agent })}
          />
        )}
        {draft.place === 'region' && (
          <Combobox
            label={text.region}
            error={missing.place}
            free
            value={draft.region}
            options={regions.map((region) => ({ value: region, text: region }))}
            onChange={(region) => change({ region })}
          />
        )}
      </div>
      <Combobox
        label={text.repository}
        help={text.repositoryHelp}
        value={draft.repository}
        options={names(repositories.items)}
        onChange={(repository) => change({ repository })}
      />
    </>
  );
}
