/** Under which name, on whose primary, and what few need to say. */
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Switch } from '../../ui/Check';
import { Combobox } from '../../ui/Combobox';
import { TextField } from '../../ui/Field';
import { words } from '../../words';
import { Fold } from '../wizard/Fold';
import type { DumpProps } from './DumpPage';

const text = words.dumps.target;

export function TargetCard(props: DumpProps) {
  const { draft, change, wrong } = props;
  const known = useWholeList(clusters.list());
  return (
    <>
      <Card>
        <CardHeader title={text.title} />
        <CardBody className="grid items-start gap-4 sm:grid-cols-2">
          <Combobox
            label={text.cluster}
            help={text.clusterHelp}
            placeholder={draft.cluster ?? ''}
            value={draft.to}
            options={known.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
            onChange={(to) => change({ to })}
          />
          <TextField
            label={text.into}
            help={text.intoHelp}
            error={wrong.into}
            mono
            spellCheck={false}
            autoComplete="off"
            placeholder={draft.database === undefined ? '' : text.intoExample(draft.database)}
            value={draft.into ?? ''}
            onChange={({ target: { value } }) => change({ into: value === '' ? undefined : value })}
          />
        </CardBody>
      </Card>
      <More {...props} />
    </>
  );
}

function More({ draft, change, wrong }: DumpProps) {
  const said = [draft.owner, draft.noPrivileges, draft.jobs].filter((each) => each !== undefined);
  return (
    <Fold
      title={text.more}
      about={text.moreAbout}
      said={said.length === 0 ? undefined : text.said(said.length)}
      open={wrong.jobs !== undefined}
    >
      <div className="grid items-start gap-4 sm:grid-cols-2">
        <TextField
          label={text.owner}
          help={text.ownerHelp}
          mono
          spellCheck={false}
          autoComplete="off"
          value={draft.owner ?? ''}
          onChange={({ target: { value } }) => change({ owner: value === '' ? undefined : value })}
        />
        <TextField
          label={text.jobs}
          help={text.jobsHelp}
          error={wrong.jobs}
          inputMode="numeric"
          value={draft.jobs ?? ''}
          onChange={({ target: { value } }) => {
            const digits = value.replaceAll(/\D/g, '');
            change({ jobs: digits === '' ? undefined : Number(digits) });
          }}
        />
      </div>
      <Switch
        label={text.noPrivileges}
        help={text.noPrivilegesHelp}
        checked={draft.noPrivileges === true}
        onChange={(noPrivileges) => change({ noPrivileges: noPrivileges || undefined })}
      />
    </Fold>
  );
}
