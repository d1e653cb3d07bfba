/** Form and YAML as twins, with the dry run beside them. */
import { FileCode, FormInput, TriangleAlert } from 'lucide-react';
import { useMemo, useRef } from 'react';
import { isApiError } from '../../../api/problem';
import { useAtLeast } from '../../../table/useBreakpoint';
import { Button } from '../../../ui/Button';
import { cx } from '../../../ui/cx';
import { words } from '../../../words';
import { readPath } from '../../../yaml/twin';
import { YamlEditor, type LineMark, type YamlEditorHandle } from '../../../yaml/YamlEditor';
import { FormProvider, type FormState } from '../form/fields';
import { PolicyForm } from '../form/PolicyForm';
import type { EditView } from '../route';
import { changed, readDraft } from './draft';
import { PreviewPanel, type PreviewState } from './PreviewPanel';

const text = words.policies.edit;

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  preview: PreviewState;
  view: EditView | undefined;
  onView: (view: EditView) => void;
  isNew: boolean;
}

export function Editor({ value, onChange, preview, view, onView, isNew }: EditorProps) {
  const atLeast = useAtLeast();
  const shown: EditView = view ?? (atLeast('2xl') ? 'both' : 'form');
  const draft = useMemo(() => readDraft(value), [value]);
  const yaml = useRef<YamlEditorHandle>(null);
  const form = useRef<HTMLDivElement>(null);
  const refusal = preview.current ? refusalOf(preview.error) : undefined;
  const marks = useMemo<LineMark[]>(() => {
    if (refusal === undefined || draft.marks.length > 0) return draft.marks;
    return [{ ...refusal, line: draft.read.lineOf(readPath(refusal.field)) }];
  }, [draft, refusal]);
  const state: FormState = {
    value: draft.read.value,
    set: (path, next) => onChange(changed(value, path, next)),
    faultAt: (field) => marks.find((mark) => mark.field === field)?.message,
    disabled: draft.read.value === undefined,
  };
  const toField = (field: string) => {
    const line = draft.read.lineOf(readPath(field));
    if (shown !== 'form' && line !== undefined) yaml.current?.toLine(line);
    else focusField(form.current, field);
  };
  const withForm = shown !== 'yaml';
  const withYaml = shown !== 'form';
  return (
    <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_minmax(22rem,28rem)]">
      <div className="min-w-0 space-y-3">
        <Views value={shown} onChange={onView} />
        <div className={cx('grid items-start gap-5', shown === 'both' && 'lg:grid-cols-2')}>
          {withForm && (
            <div ref={form} className="min-w-0 rounded-lg border border-line bg-surface p-4">
              {state.disabled ? (
                <Broken marks={marks} onYaml={() => onView('yaml')} />
              ) : (
                <FormProvider value={state}>
                  <PolicyForm isNew={isNew} />
                </FormProvider>
              )}
            </div>
          )}
          {withYaml && (
            <YamlEditor
              label={text.yamlLabel}
              value={value}
              onChange={onChange}
              marks={marks}
              handle={yaml}
              className={cx(shown === 'yaml' ? 'min-h-[32rem]' : 'lg:sticky lg:top-4')}
            />
          )}
          {!withYaml && !state.disabled && marks.some(({ field }) => field !== undefined) && (
            <Elsewhere marks={marks} onYaml={() => onView('yaml')} />
          )}
        </div>
      </div>
      <div className="xl:sticky xl:top-4">
        <PreviewPanel preview={preview} onField={toField} />
      </div>
    </div>
  );
}

export function Views({
  value,
  onChange,
}: {
  value: EditView;
  onChange: (view: EditView) => void;
}) {
  const views: EditView[] = ['form', 'yaml', 'both'];
  return (
    <div
      role="radiogroup"
      aria-label={text.view}
      className="inline-flex rounded-md border border-line bg-sunken p-0.5"
    >
      {views.map((view) => (
        <label
          key={view}
          className={cx(
            'flex h-8 cursor-pointer items-center gap-1.5 rounded-sm px-3 font-medium has-focus-visible:outline-2 has-focus-visible:outline-focus',
            view === 'both' && 'max-lg:hidden',
            view === value ? 'bg-accent-soft text-accent' : 'text-ink-2 hover:text-ink',
          )}
        >
          <input
            type="radio"
            name="policy-view"
            className="sr-only"
            checked={view === value}
            onChange={() => onChange(view)}
          />
          {view === 'form' && <FormInput aria-hidden className="size-4" />}
          {view === 'yaml' && <FileCode aria-hidden className="size-4" />}
          {text.views[view]}
        </label>
      ))}
    </div>
  );
}

export function Broken({ marks, onYaml }: { marks: readonly LineMark[]; onYaml: () => void }) {
  return (
    <div role="alert" className="space-y-3">
      <p className="flex gap-2">
        <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
        {text.formBroken}
      </p>
      <ul className="space-y-1">
        {marks.map(({ line, message }, index) => (
          <li key={index} className="text-bad">
            {line !== undefined && `${words.yaml.editor.line(line)}: `}
            {message}
          </li>
        ))}
      </ul>
      <Button size="sm" onClick={onYaml}>
        {text.toYaml}
      </Button>
    </div>
  );
}

/** Faults in fields that the form may not show. */
export function Elsewhere({ marks, onYaml }: { marks: readonly LineMark[]; onYaml: () => void }) {
  return (
    <div role="alert" className="flex items-start gap-3 rounded-lg bg-bad-soft p-3">
      <ul className="min-w-0 flex-1 space-y-1">
        {marks.map(({ field, message }, index) => (
          <li key={index} className="text-bad">
            <code className="text-xs">{field}</code> {message}
          </li>
        ))}
      </ul>
      <Button size="sm" onClick={onYaml}>
        {text.toYaml}
      </Button>
    </div>
  );
}

/** What the control plane refuses of the document, and where. */
export function refusalOf(error: unknown): { field: string; message: string } | undefined {
  if (!isApiError(error) || error.field === undefined) return undefined;
  return { field: error.field, message: error.message };
}

/** The field itself, or the nearest above it that the form has. */
function focusField(form: HTMLElement | null, field: string): void {
  const path = readPath(field);
  for (let length = path.length; length > 0; length -= 1) {
    const sought = field
      .split(/(?=[.[])/)
      .slice(0, length)
      .join('');
    const found = form?.querySelector<HTMLElement>(`[data-path^="${CSS.escape(sought)}"]`);
    if (found === null || found === undefined) continue;
    const target = found.matches('input, select')
      ? found
      : found.querySelector<HTMLElement>('input, select, button');
    target?.focus();
    target?.scrollIntoView({ block: 'center' });
    return;
  }
}
