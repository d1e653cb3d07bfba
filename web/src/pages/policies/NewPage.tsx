/** A new policy: first what one needs, then the document that is suggested for it. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Page } from '../../frame/Page';
import { words } from '../../words';
import { EMPTY_POLICY, policyText } from './editor/draft';
import { Suggest } from './editor/Suggest';
import { Workbench } from './editor/Workbench';

const text = words.policies;
const route = getRouteApi('/frame/new/policy');

export function NewPage() {
  const { step = 'suggest', view } = route.useSearch();
  const navigate = useNavigate();
  const [value, setValue] = useState(EMPTY_POLICY);
  const open = (document: string) => {
    setValue(document);
    void navigate({ from: '/new/policy', search: (now) => ({ ...now, step: 'edit' }) });
  };
  if (step === 'suggest') {
    return (
      <Page title={text.suggest.title} about={text.suggest.about}>
        <Suggest
          onBlank={() => open(EMPTY_POLICY)}
          onOpen={({ document }) => open(policyText(document as never))}
        />
      </Page>
    );
  }
  return (
    <Page title={text.edit.newTitle} about={text.edit.about}>
      <Workbench
        value={value}
        onChange={setValue}
        base=""
        revision={undefined}
        view={view}
        onView={(next) =>
          void navigate({
            from: '/new/policy',
            search: { step: 'edit', view: next },
            replace: true,
          })
        }
        onSaved={(policy) => void navigate({ to: '/policies/$policy', params: { policy } })}
        onStale={() => undefined}
      />
    </Page>
  );
}
