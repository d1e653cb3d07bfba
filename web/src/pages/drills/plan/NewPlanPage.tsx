/** A new drill plan. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Page } from '../../../frame/Page';
import { words } from '../../../words';
import { NEW_PLAN } from './checks';
import { Workbench } from './Workbench';

const text = words.drills.plan;
const route = getRouteApi('/frame/new/drill-plan');

export function NewPlanPage() {
  const { view } = route.useSearch();
  const navigate = useNavigate();
  const [value, setValue] = useState(NEW_PLAN);
  return (
    <Page title={text.newTitle} about={text.about}>
      <Workbench
        value={value}
        onChange={setValue}
        revision={undefined}
        view={view}
        onView={(next) =>
          void navigate({ from: '/new/drill-plan', search: { view: next }, replace: true })
        }
        onSaved={() => void navigate({ to: '/drills', search: { view: 'plans' } })}
      />
    </Page>
  );
}
