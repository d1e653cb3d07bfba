/** Writing a drill plan: form and YAML as twins, the dry run beside them, and saving it. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { ActError } from '../../../acts/ActError';
import { useAct } from '../../../acts/useAct';
import { drills, savePlan, type DrillPlanDocument } from '../../../api/queries/drills';
import { useAtLeast } from '../../../table/useBreakpoint';
import { Button } from '../../../ui/Button';
import { Card, CardBody, CardHeader } from '../../../ui/Card';
import { Equivalent } from '../../../ui/Equivalent';
import { ErrorState } from '../../../ui/States';
import { words } from '../../../words';
import { readPath } from '../../../yaml/twin';
import { YamlEditor, type LineMark } from '../../../yaml/YamlEditor';
import { changed, nameOf, readDraft } from '../../policies/editor/draft';
import { Broken, Elsewhere, refusalOf, Views } from '../../policies/editor/Editor';
import { PLAN_SHAPE } from '../../policies/editor/shape';
import { FormProvider } from '../../policies/form/fields';
import type { EditView } from '../../policies/route';
import { PlanForm } from './PlanForm';

const text = words.drills.plan;
const PAUSE_MILLISECONDS = 500;

export interface WorkbenchProps {
  value: string;
  onChange: (value: string) => void;
  /** Of which it is a change; undefined makes a new one. */
  revision: string | undefined;
  view: EditView | undefined;
  onView: (view: EditView) => void;
  onSaved: () => void;
}

export function Workbench(props: WorkbenchProps) {
  const { value, onChange, revision, view, onView } = props;
  const atLeast = useAtLeast();
  const shown: EditView = view ?? (atLeast('2xl') ? 'both' : 'form');
  const draft = useMemo(() => readDraft(value, PLAN_SHAPE), [value]);
  const dry = useDryRun(value);
  const refusal = dry.current ? refusalOf(dry.error) : undefined;
  const marks: LineMark[] =
    refusal === undefined || draft.marks.length > 0
      ? draft.marks
      : [{ ...refusal, line: draft.read.lineOf(readPath(refusal.field)) }];
  const disabled = draft.read.value === undefined;
  const toYaml = () => onView('yaml');
  return (
    <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_minmax(20rem,24rem)]">
      <div className="min-w-0 space-y-3">
        <Views value={shown} onChange={onView} />
        <div className={shown === 'both' ? 'grid items-start gap-5 lg:grid-cols-2' : ''}>
          {shown !== 'yaml' && (
            <div className="min-w-0 rounded-lg border border-line bg-surface p-4">
              {disabled ? (
                <Broken marks={marks} onYaml={toYaml} />
              ) : (
                <FormProvider
                  value={{
                    value: draft.read.value,
                    set: (path, next) => onChange(changed(value, path, next)),
                    faultAt: (field) => marks.find((mark) => mark.field === field)?.message,
                    disabled,
                  }}
                >
                  <PlanForm isNew={revision === undefined} />
                </FormProvider>
              )}
            </div>
          )}
          {shown !== 'form' && (
            <YamlEditor label={text.yamlLabel} value={value} onChange={onChange} marks={marks} />
          )}
          {shown === 'form' && !disabled && marks.some(({ field }) => field !== undefined) && (
            <Elsewhere marks={marks} onYaml={toYaml} />
          )}
        </div>
      </div>
      <Dry {...props} dry={dry} document={draft.document as DrillPlanDocument | undefined} />
    </div>
  );
}

/** The dry run of what is written, once its writer pauses. */
function useDryRun(value: string) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [value]);
  const draft = useMemo(() => readDraft(settled, PLAN_SHAPE), [settled]);
  const ready = draft.document !== undefined && nameOf(draft) !== '';
  const query = useQuery(drills.planCheck(draft.document, ready));
  const current = ready && settled === value && !query.isFetching;
  return { ready, current, data: query.data, error: ready ? query.error : null };
}

function Dry({
  revision,
  onSaved,
  dry,
  document,
}: WorkbenchProps & {
  dry: ReturnType<typeof useDryRun>;
  document: DrillPlanDocument | undefined;
}) {
  const name = document?.metadata.name ?? '';
  const act = useAct({
    run: (said: DrillPlanDocument) => savePlan(said, revision),
    stale: ['drill-plans', 'exposure', 'approvals'],
    said: () => text.saved(name),
    onDone: onSaved,
  });
  const action = dry.data?.results[0]?.action;
  const fit = dry.current && dry.error === null && document !== undefined;
  const said = !dry.ready ? text.dry.wait : dry.current ? undefined : text.dry.running;
  return (
    <Card className="xl:sticky xl:top-4">
      <CardHeader title={text.dry.title} />
      <CardBody className="space-y-4">
        <div role="status" className="space-y-1">
          {said !== undefined && <p className="text-ink-2">{said}</p>}
          {fit && action !== undefined && (
            <>
              <p className="font-medium text-ok">{text.dry[action]}</p>
              <p className="text-sm text-ink-2">{text.dry.about}</p>
            </>
          )}
        </div>
        {dry.error !== null && dry.current && <ErrorState compact error={dry.error} />}
        <ActError error={act.error} />
        <div className="flex flex-wrap items-center justify-between gap-2 border-t border-line pt-4">
          <Equivalent
            cli={`holdfast apply -f ${name === '' ? 'plan' : name}.yaml`}
            api={{
              method: 'PUT',
              path: `/api/v1/drill-plans/${name}`,
              ...(document !== undefined && { body: document }),
            }}
          />
          <Button
            variant="primary"
            disabled={!fit || action === 'unchanged'}
            busy={act.isPending}
            onClick={() => document !== undefined && act.mutate(document)}
          >
            {revision === undefined ? text.create : text.save}
          </Button>
        </div>
      </CardBody>
    </Card>
  );
}
