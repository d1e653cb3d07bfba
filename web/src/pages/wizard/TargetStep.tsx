/** Where to: a host or a region, a directory, a port, and what becomes of the server. */
import { Server } from 'lucide-react';
import { useId } from 'react';
import { useWholeList } from '../../api/pages';
import { places, type Agent } from '../../api/queries/places';
import { formatBytes } from '../../format/size';
import { Badge } from '../../ui/Badge';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Switch } from '../../ui/Check';
import { Combobox } from '../../ui/Combobox';
import { Select, TextField } from '../../ui/Field';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { Choice } from './Choice';
import { starts } from './draft';
import { TargetMore } from './TargetMore';
import type { StepProps } from './WizardPage';

const text = words.wizard.target;

export function TargetStep(props: StepProps) {
  const { draft } = props;
  return (
    <div className="space-y-4">
      <Card>
        <CardHeader title={text.title} about={text.about} />
        <CardBody className="space-y-4">
          <Place {...props} />
          {draft.rehearse === true && <p className="text-ink-2">{text.rehearsal}</p>}
        </CardBody>
      </Card>
      {draft.rehearse !== true && (
        <>
          <NewServer {...props} />
          <TargetMore {...props} />
        </>
      )}
    </div>
  );
}

function Place({ draft, change, wrong }: StepProps) {
  const agents = useWholeList(places.agents());
  const regions = [...new Set(agents.items.flatMap(({ region }) => region ?? []))].toSorted();
  const by = useId();
  if (agents.error !== null && agents.items.length === 0) {
    return <ErrorState compact error={agents.error} retry={agents.retry} />;
  }
  if (agents.pending) return <Skeleton className="h-20" />;
  const sorted = agents.items
    .filter(({ state }) => state !== 'revoked')
    .toSorted((a, b) => rank(a) - rank(b));
  const few = sorted.length <= 9;
  return (
    <div className="space-y-4">
      {wrong.agent !== undefined && (
        <p role="alert" className="text-sm font-medium text-bad">
          {wrong.agent}
        </p>
      )}
      {draft.rehearse === true && (
        <div role="radiogroup" aria-label={text.place}>
          <Choice
            name="place"
            title={text.anywhere}
            checked={draft.agent === undefined && draft.region === undefined}
            onChoose={() => change({ agent: undefined, region: undefined })}
          />
        </div>
      )}
      <div>
        <h3 id={by} className="mb-2 text-sm font-medium">
          {text.onAgent}
        </h3>
        {few ? (
          <div
            role="radiogroup"
            aria-labelledby={by}
            className="grid gap-3 sm:grid-cols-2 2xl:grid-cols-3"
          >
            {sorted.map((agent) => (
              <Choice
                key={agent.id}
                name="place"
                icon={Server}
                title={agent.name}
                about={about(agent)}
                aside={
                  <Badge tone={agent.state === 'online' ? 'ok' : 'warn'}>
                    {text.states[agent.state]}
                  </Badge>
                }
                checked={agent.name === draft.agent}
                onChoose={() => change({ agent: agent.name, region: undefined })}
              />
            ))}
          </div>
        ) : (
          <Combobox
            label={text.agent}
            help={text.agentHelp}
            className="max-w-sm"
            value={draft.agent}
            options={sorted.map((agent) => ({
              value: agent.name,
              text: `${agent.name} · ${text.states[agent.state]} · ${about(agent)}`,
            }))}
            onChange={(agent) => change({ agent, region: undefined })}
          />
        )}
      </div>
      {regions.length > 0 && (
        <Select
          label={text.inRegion}
          help={text.inRegionAbout}
          className="max-w-sm"
          value={draft.region ?? ''}
          options={[
            { value: '', text: words.common.none },
            ...regions.map((region) => ({ value: region, text: region })),
          ]}
          onValueChange={(region) =>
            change(region === '' ? { region: undefined } : { region, agent: undefined })
          }
        />
      )}
    </div>
  );
}

function rank({ state }: Agent): number {
  return state === 'online' ? 0 : 1;
}

/** Its region, what runs on its host, and how much room its volume has. */
function about({ region, instances }: Agent): string {
  const clusters = [...new Set(instances.map(({ cluster }) => cluster))];
  const free = instances.flatMap((facts) =>
    'reachable' in facts && facts.reachable.disk != null ? facts.reachable.disk.freeBytes : [],
  );
  return [
    region ?? undefined,
    clusters.length === 0 ? text.servesNothing : text.serves(clusters.join(', ')),
    free.length === 0 ? undefined : text.free(formatBytes(Math.max(...free))),
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}

function NewServer({ draft, change, wrong }: StepProps) {
  return (
    <Card>
      <CardBody className="space-y-4 pt-4">
        <TextField
          label={text.dir}
          help={draft.delta === true ? text.dirHelpDelta : text.dirHelp}
          error={wrong.dir}
          mono
          spellCheck={false}
          placeholder={text.dirExample}
          value={draft.dir ?? ''}
          onChange={({ target: { value } }) => change({ dir: value === '' ? undefined : value })}
        />
        <Switch
          label={text.start}
          help={text.startHelp}
          checked={starts(draft)}
          onChange={(start) => change({ start: start ? undefined : false })}
        />
        <div className="grid gap-4 sm:grid-cols-2">
          {starts(draft) && (
            <TextField
              label={text.port}
              help={text.portHelp}
              inputMode="numeric"
              mono
              placeholder="5432"
              value={draft.port ?? ''}
              onChange={({ target: { value } }) => change({ port: portOf(value) })}
            />
          )}
          <Select
            label={text.action}
            error={wrong.action}
            value={draft.action ?? 'promote'}
            options={(['promote', 'pause', 'standby'] as const).map((value) => ({
              value,
              text: text.actions[value],
            }))}
            onValueChange={(action) =>
              change({ action: action === 'promote' ? undefined : action })
            }
          />
        </div>
      </CardBody>
    </Card>
  );
}

function portOf(typed: string): number | undefined {
  const port = Number(typed.replaceAll(/\D/g, ''));
  return port >= 1 && port <= 65_535 ? port : undefined;
}
