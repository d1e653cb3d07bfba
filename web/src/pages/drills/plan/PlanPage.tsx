/** A drill plan that is there: changed on the revision that was read, or deleted. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { RotateCw, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../../acts/ConfirmAct';
import { useAct } from '../../../acts/useAct';
import { revisionOf } from '../../../api/client';
import { deletePlan, drills } from '../../../api/queries/drills';
import { Page } from '../../../frame/Page';
import { Button } from '../../../ui/Button';
import { words } from '../../../words';
import { Await } from '../../work/Await';
import { policyText } from '../../policies/editor/draft';
import { Workbench } from './Workbench';

const text = words.drills.plan;
const route = getRouteApi('/frame/drills/plans/$plan');

interface Base {
  text: string;
  revision: string;
}

export function PlanPage() {
  const { plan: name } = route.useParams();
  const query = useQuery(drills.plan(name));
  return (
    <Page
      title={text.title(name)}
      about={text.about}
      actions={
        query.data !== undefined && <RemovePlan name={name} revision={revisionOf(query.data)} />
      }
    >
      <Await query={query}>
        {(found) => (
          <Edit key={name} latest={{ text: policyText(found), revision: revisionOf(found) }} />
        )}
      </Await>
    </Page>
  );
}

function Edit({ latest }: { latest: Base }) {
  const { view } = route.useSearch();
  const navigate = useNavigate();
  const [base, setBase] = useState(latest);
  const [value, setValue] = useState(latest.text);
  const newer = latest.revision !== base.revision;
  const load = () => {
    setBase(latest);
    setValue(latest.text);
  };
  // Nothing was written yet, so nothing is lost.
  if (newer && value === base.text) load();
  return (
    <>
      {newer && value !== base.text && (
        <div
          role="alert"
          className="mb-4 flex flex-wrap items-center gap-3 rounded-lg bg-warn-soft p-3"
        >
          <p className="min-w-0 flex-1 font-medium text-warn">{text.stale}</p>
          <Button size="sm" icon={RotateCw} onClick={load}>
            {text.reload}
          </Button>
        </div>
      )}
      <Workbench
        value={value}
        onChange={setValue}
        revision={base.revision}
        view={view}
        onView={(next) =>
          void navigate({ from: '/drills/plans/$plan', search: { view: next }, replace: true })
        }
        onSaved={() => void navigate({ to: '/drills', search: { view: 'plans' } })}
      />
    </>
  );
}

function RemovePlan({ name, revision }: { name: string; revision: string }) {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const act = useAct({
    run: () => deletePlan(name, revision),
    stale: ['drill-plans', 'exposure'],
    said: () => text.remove.done(name),
    onDone: () => void navigate({ to: '/drills', search: { view: 'plans' } }),
  });
  return (
    <>
      <Button icon={Trash2} onClick={() => setAsking(true)}>
        {text.remove.action}
      </Button>
      <ConfirmAct
        open={asking}
        onOpenChange={setAsking}
        title={text.remove.title(name)}
        action={text.remove.action}
        act={act}
        onConfirm={() => act.mutate()}
        equivalent={{
          cli: `holdfast delete drill-plan ${name}`,
          api: { method: 'DELETE', path: `/api/v1/drill-plans/${name}` },
        }}
      >
        <p>{text.remove.about}</p>
      </ConfirmAct>
    </>
  );
}
