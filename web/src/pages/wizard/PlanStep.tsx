/** The plan, made by the agent on entering; and the act that executes exactly it. */
import { useQuery } from '@tanstack/react-query';
import { RotateCw } from 'lucide-react';
import { useState } from 'react';
import { restores, type RestorePlanned } from '../../api/queries/restores';
import { formatDuration } from '../../format/time';
import { clockOffset } from '../../live/freshness';
import { useNow } from '../../live/now';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { Progress } from '../../ui/Progress';
import { ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Begin } from './Begin';
import { commandOf, requestOf } from './draft';
import { Copies, Hosts } from './Placement';
import { PlanView } from './PlanView';
import { RehearseStep } from './RehearseStep';
import type { StepProps } from './WizardPage';

const text = words.wizard.plan;

export function PlanStep(props: StepProps) {
  return props.draft.rehearse === true ? <RehearseStep {...props} /> : <PlanOf {...props} />;
}

function PlanOf({ draft, change }: StepProps) {
  const query = useQuery(restores.plan(requestOf(draft)));
  const again = (
    <Button icon={RotateCw} onClick={() => void query.refetch()} disabled={query.isFetching}>
      {text.again}
    </Button>
  );
  if (query.isFetching) return <Making />;
  if (query.error !== null || query.data === undefined) {
    return (
      <Card>
        <CardHeader title={text.failed} actions={again} />
        <CardBody>
          <ErrorState compact error={query.error} />
        </CardBody>
      </Card>
    );
  }
  const planned = query.data;
  return (
    <div className="space-y-4">
      <Card>
        <CardHeader
          title={text.title}
          about={
            <>
              {text.about} <Time at={new Date(query.dataUpdatedAt + clockOffset())} />
            </>
          }
        />
        <CardBody className="space-y-5">
          <div className="flex flex-wrap items-center gap-2">
            {again}
            <Equivalent
              cli={commandOf(draft, 'plan')}
              api={{ method: 'POST', path: '/api/v1/restores/plan', body: requestOf(draft) }}
            />
          </div>
          <PlanView plan={planned} predicted={planned} />
          <footer className="flex flex-wrap items-center gap-2 border-t border-line pt-4">
            <span className="flex-1" />
            <Act planned={planned} {...{ draft }} onAgain={() => void query.refetch()} />
          </footer>
        </CardBody>
      </Card>
      <Hosts
        placement={planned.placement}
        onTake={(agent) => change({ agent, region: undefined })}
      />
      <Copies copies={planned.copies} tried={planned.copiesTried} />
    </div>
  );
}

/** What has reasons against it has no hash, and is not begun. */
function Act({
  planned,
  draft,
  onAgain,
}: {
  planned: RestorePlanned;
  draft: StepProps['draft'];
  onAgain: () => void;
}) {
  if (planned.planHash == null) return null;
  return <Begin draft={draft} planHash={planned.planHash} onAgain={onAgain} />;
}

function Making() {
  const now = useNow();
  const [since] = useState(now);
  return (
    <Card>
      <CardBody className="space-y-3 pt-4" aria-busy>
        <p role="status">{text.making}</p>
        <Progress label={text.making} share={undefined} />
        <p className="num text-sm text-ink-2">
          {text.takes(formatDuration(Math.max(0, Math.floor((now - since) / 1000))))}
        </p>
      </CardBody>
    </Card>
  );
}
