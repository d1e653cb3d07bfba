/** What most restores need not say: from where, over what, with which settings, for whom. */
import { useWholeList } from '../../api/pages';
import { places } from '../../api/queries/places';
import { Switch } from '../../ui/Check';
import { Combobox } from '../../ui/Combobox';
import { TextArea, TextField } from '../../ui/Field';
import { words } from '../../words';
import { Fold } from './Fold';
import type { Draft } from './route';
import type { StepProps } from './WizardPage';

const text = words.wizard.target;

export function TargetMore(props: StepProps) {
  const { draft, change } = props;
  const repositories = useWholeList(places.repositories());
  return (
    <div className="grid grid-cols-1 items-start gap-4 2xl:grid-cols-2">
      <Fold title={text.more} about={text.moreAbout} {...stateOf(props, MORE)}>
        <Combobox
          label={text.repository}
          help={text.repositoryHelp}
          placeholder={text.anyRepository}
          value={draft.repository}
          options={repositories.items.map(({ metadata: { name } }) => ({
            value: name,
            text: name,
          }))}
          onChange={(repository) => change({ repository })}
        />
        <Switch
          label={text.delta}
          help={text.deltaHelp}
          checked={draft.delta === true}
          onChange={(delta) => change({ delta: delta || undefined, force: undefined })}
        />
        {draft.delta === true && (
          <Switch
            label={text.force}
            help={text.forceHelp}
            checked={draft.force === true}
            onChange={(force) => change({ force: force || undefined })}
          />
        )}
        <Lines {...props} field="set" label={text.settings} help={text.settingsHelp} />
        <Lines
          {...props}
          field="tablespaces"
          label={text.tablespaces}
          help={text.tablespacesHelp}
        />
        <Lines {...props} field="checks" label={text.checks} help={text.checksHelp} />
        <Switch
          label={text.amcheck}
          help={text.amcheckHelp}
          checked={draft.amcheck === true}
          onChange={(amcheck) => change({ amcheck: amcheck || undefined })}
        />
      </Fold>
      <Fold title={text.handOver} about={text.handOverAbout} {...stateOf(props, HAND_OVER)}>
        <Word {...props} field="register" label={text.register} help={text.registerHelp} />
        {draft.register !== undefined && (
          <>
            <Word {...props} field="fleet" label={text.fleet} help={text.fleetHelp} />
            <Lines {...props} field="labels" label={text.labels} help={text.labelsHelp} />
          </>
        )}
        <Lines {...props} field="hooks" label={text.hooks} help={text.hooksHelp} />
        <Lines {...props} field="webhooks" label={text.webhooks} help={text.webhooksHelp} />
        {draft.webhooks !== undefined && <Word {...props} field="secret" label={text.secret} />}
      </Fold>
    </div>
  );
}

const MORE = ['repository', 'delta', 'force', 'set', 'tablespaces', 'checks', 'amcheck'] as const;
const HAND_OVER = ['register', 'fleet', 'labels', 'hooks', 'webhooks', 'secret'] as const;

function stateOf({ draft, wrong }: StepProps, fields: readonly (keyof Draft)[]) {
  const said = fields.filter((field) => draft[field] !== undefined).length;
  return {
    said: said === 0 ? undefined : text.said(said),
    open: fields.some((field) => wrong[field] !== undefined),
  };
}

type TextOf = 'set' | 'tablespaces' | 'checks' | 'labels' | 'hooks' | 'webhooks';

interface FieldProps<F extends keyof Draft> extends StepProps {
  field: F;
  label: string;
  help?: string;
}

function Lines({ draft, change, wrong, field, label, help }: FieldProps<TextOf>) {
  return (
    <TextArea
      label={label}
      help={help}
      error={wrong[field]}
      mono
      rows={2}
      spellCheck={false}
      value={draft[field] ?? ''}
      onChange={({ target: { value } }) => change({ [field]: value === '' ? undefined : value })}
    />
  );
}

function Word({
  draft,
  change,
  wrong,
  field,
  label,
  help,
}: FieldProps<'register' | 'fleet' | 'secret'>) {
  return (
    <TextField
      label={label}
      help={help}
      error={wrong[field]}
      spellCheck={false}
      value={draft[field] ?? ''}
      onChange={({ target: { value } }) =>
        change({ [field]: value.trim() === '' ? undefined : value.trim() })
      }
    />
  );
}
