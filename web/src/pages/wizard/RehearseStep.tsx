/** A rehearsal has no plan of its own: what the catalog knows of the point, and the act. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Target } from 'lucide-react';
import { startRestore } from '../../api/queries/restores';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';
import { Facts } from '../work/Facts';
import { commandOf, requestOf } from './draft';
import { Meaning } from './Meaning';
import { isOnRecord, readPoint, tellPoint } from './point';
import type { StepProps } from './WizardPage';

const text = words.wizard.plan.rehearse;

export function RehearseStep({ draft, change }: StepProps) {
  const { cluster = '', at = 'latest' } = draft;
  const body = requestOf(draft);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const run = useMutation({
    mutationFn: () => startRestore(body),
    onSuccess: async ({ job }) => {
      await queries.invalidateQueries({ queryKey: ['jobs'] });
      toast({ tone: 'ok', title: text.started });
      await navigate({ to: '/jobs/$job', params: { job } });
    },
  });
  return (
    <Card>
      <CardHeader title={text.title} about={text.about} />
      <CardBody className="space-y-5">
        <Facts
          facts={[
            { term: words.wizard.steps.source, value: cluster },
            { term: words.wizard.steps.point, value: tellPoint(at) },
            {
              term: words.wizard.target.place,
              value: draft.agent ?? draft.region ?? words.wizard.target.anywhere,
            },
          ]}
        />
        {isOnRecord(readPoint(at).kind) ? (
          <Meaning cluster={cluster} at={at} onChoose={(next) => change({ at: next })} />
        ) : (
          <p className="text-ink-2">{words.wizard.point.onlyPlan}</p>
        )}
        {run.error !== null && <ActOutcome error={run.error} />}
        <footer className="flex flex-wrap items-center gap-2 border-t border-line pt-4">
          <Equivalent
            cli={commandOf(draft, 'run')}
            api={{ method: 'POST', path: '/api/v1/restores', body }}
          />
          <span className="flex-1" />
          <Button
            variant="primary"
            size="lg"
            icon={Target}
            busy={run.isPending}
            onClick={() => run.mutate()}
          >
            {text.begin}
          </Button>
        </footer>
      </CardBody>
    </Card>
  );
}
