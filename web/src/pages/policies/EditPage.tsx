/** Changing a policy that is there, on the revision that was read. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { UsersRound } from 'lucide-react';
import { useState } from 'react';
import { revisionOf } from '../../api/client';
import { policies } from '../../api/queries/policies';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { DiffView } from '../../yaml/DiffView';
import { policyText } from './editor/draft';
import { Workbench } from './editor/Workbench';

const text = words.policies.edit;
const route = getRouteApi('/frame/policies/$policy/edit');

interface Base {
  text: string;
  revision: string;
}

export function EditPage() {
  const { policy: name } = route.useParams();
  const query = useQuery(policies.detail(name));
  return (
    <Page title={text.title(name)} about={text.about}>
      {query.error !== null && query.data === undefined ? (
        <ErrorState error={query.error} retry={() => void query.refetch()} />
      ) : query.data === undefined ? (
        <div aria-hidden className="space-y-3">
          <Skeleton className="h-9 w-48" />
          <Skeleton className="h-96 w-full" />
        </div>
      ) : (
        <Edit
          key={name}
          name={name}
          latest={{ text: policyText(query.data), revision: revisionOf(query.data) }}
          refetch={() => void query.refetch()}
        />
      )}
    </Page>
  );
}

function Edit({ name, latest, refetch }: { name: string; latest: Base; refetch: () => void }) {
  const { view } = route.useSearch();
  const navigate = useNavigate();
  const [base, setBase] = useState(latest);
  const [value, setValue] = useState(latest.text);
  const [comparing, setComparing] = useState(false);
  const newer = latest.revision !== base.revision;
  if (newer && value === base.text) {
    // Nothing was written yet, so nothing is lost.
    setBase(latest);
    setValue(latest.text);
  }
  return (
    <>
      {newer && value !== base.text && (
        <div
          role="alert"
          className="mb-4 flex flex-wrap items-center gap-3 rounded-lg bg-warn-soft p-3"
        >
          <UsersRound aria-hidden className="size-5 text-warn" />
          <div className="min-w-0 flex-1">
            <p className="font-semibold text-warn">{text.staleTitle}</p>
            <p>{text.staleAbout}</p>
          </div>
          <Button size="sm" onClick={() => setComparing(true)}>
            {text.rebase}
          </Button>
        </div>
      )}
      <Workbench
        value={value}
        onChange={setValue}
        base={base.text}
        revision={base.revision}
        view={view}
        onView={(next) =>
          void navigate({ from: '/policies/$policy/edit', search: { view: next }, replace: true })
        }
        onSaved={(policy) => void navigate({ to: '/policies/$policy', params: { policy } })}
        onStale={refetch}
      />
      <Dialog
        open={comparing}
        onOpenChange={setComparing}
        title={text.staleTitle}
        about={name}
        width="lg"
        footer={
          <Button
            variant="primary"
            onClick={() => {
              setBase(latest);
              setComparing(false);
            }}
          >
            {text.rebaseAction}
          </Button>
        }
      >
        <DiffView before={latest.text} after={value} label={text.rebase} />
      </Dialog>
    </>
  );
}
