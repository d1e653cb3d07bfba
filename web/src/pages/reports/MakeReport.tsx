/** Making a report: fleet, period, as known at, format; the file comes at once. */
import { Download, FileCheck2, FileText } from 'lucide-react';
import { ActError } from '../../acts/ActError';
import { saveBlob } from '../../acts/download';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { fleets } from '../../api/queries/fleets';
import { makeReport, type ReportFile } from '../../api/queries/reports';
import { parseMoment } from '../../format/time';
import { serverNow } from '../../live/freshness';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CopyButton } from '../../ui/Code';
import { Combobox } from '../../ui/Combobox';
import { Equivalent } from '../../ui/Equivalent';
import { Select, TextField } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
import { Progress } from '../../ui/Progress';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { PERIODS, dayOf, periodOf, shortTime, type Period } from './period';
import type { ReportSearch } from './route';

const text = words.reports.make;
const FORMATS = ['pdf', 'csv', 'json'] as const;

export function MakeReport({
  search,
  onChange,
}: {
  search: ReportSearch;
  onChange: (changed: Partial<ReportSearch>) => void;
}) {
  const { fleet, period: named = '30d', format = 'pdf', known } = search;
  const places = useWholeList(fleets.list()).items.map(({ metadata: { name } }) => name);
  const period: Period | undefined =
    named === 'own' ? ownPeriod(search) : periodOf(named, serverNow());
  const backwards = period?.to !== undefined && period.from >= period.to;
  const body = {
    fleet: fleet ?? '',
    from: period?.from ?? '',
    format,
    ...(period?.to !== undefined && { to: period.to }),
    ...(known !== undefined && { asKnownAt: known }),
  };
  const act = useAct({
    run: () => makeReport(body),
    stale: ['reports', 'audit'],
    said: () => text.made,
    onDone: (file: ReportFile) => saveBlob(file.name, file.blob),
  });
  const ready = fleet !== undefined && period !== undefined && !backwards;
  return (
    <Card>
      <CardHeader title={text.title} about={text.about} />
      <CardBody>
        <form
          className="space-y-4"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) act.mutate();
          }}
        >
          <div className="grid gap-4 sm:grid-cols-2">
            <Combobox
              label={text.fleet}
              value={fleet}
              placeholder={text.needed}
              options={places.map((value) => ({ value, text: value }))}
              onChange={(value) => onChange({ fleet: value })}
            />
            <Select
              label={text.format}
              value={format}
              options={FORMATS.map((value) => ({ value, text: text.formats[value] }))}
              onValueChange={(value) => onChange({ format: value })}
            />
            <Select
              label={text.period}
              className="sm:col-span-2"
              value={named}
              options={PERIODS.map((value) => ({ value, text: text.periods[value] }))}
              onValueChange={(value) => onChange({ period: value })}
            />
            {named === 'own' && (
              <>
                <TextField
                  label={text.from}
                  type="date"
                  value={search.from?.slice(0, 10) ?? ''}
                  onChange={({ target: { value } }) =>
                    onChange({ from: value === '' ? undefined : value })
                  }
                />
                <TextField
                  label={text.to}
                  type="date"
                  help={text.toHelp}
                  error={backwards ? text.order : undefined}
                  value={search.to?.slice(0, 10) ?? ''}
                  onChange={({ target: { value } }) =>
                    onChange({ to: value === '' ? undefined : value })
                  }
                />
              </>
            )}
            <MomentField
              label={text.asKnownAt}
              className="sm:col-span-2"
              help={text.asKnownAtHelp}
              seconds
              value={known === undefined ? undefined : parseMoment(known)}
              onChoose={(chosen) =>
                onChange({ known: chosen?.toISOString().replace(/\.\d+Z$/, 'Z') })
              }
            />
          </div>
          <ActError error={act.error} />
          {act.isPending && <Progress label={text.title} share={undefined} />}
          <div className="flex flex-wrap items-center gap-2">
            <Button
              type="submit"
              variant="primary"
              icon={FileText}
              disabled={!ready || act.isPending}
            >
              {text.submit}
            </Button>
            <Equivalent
              cli={cliOf(body)}
              api={{ method: 'POST', path: '/api/v1/reports/compliance', body }}
            />
          </div>
          {act.data !== undefined && <Made file={act.data} />}
        </form>
      </CardBody>
    </Card>
  );
}

function ownPeriod({ from, to }: ReportSearch): Period | undefined {
  // A report that is made again keeps its moments to the second.
  const moment = (text: string) => (text.length > 10 ? text : dayOf(text));
  const start = from === undefined ? undefined : moment(from);
  const end = to === undefined ? undefined : moment(to);
  return start === undefined ? undefined : { from: start, to: end };
}

function cliOf(body: {
  fleet: string;
  from: string;
  to?: string;
  asKnownAt?: string;
  format: string;
}): string {
  const { fleet, from, to, asKnownAt, format } = body;
  return [
    `holdfast report compliance --fleet ${fleet === '' ? 'FLEET' : fleet}`,
    `--from ${shortTime(from)}`,
    to === undefined ? '' : `--to ${shortTime(to)}`,
    asKnownAt === undefined ? '' : `--as-known-at ${asKnownAt}`,
    `-o ${format} --out report.${format}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

function Made({ file }: { file: ReportFile }) {
  const { result } = words.reports;
  return (
    <div role="status" className="space-y-2 rounded-lg bg-ok-soft p-4">
      <p className="flex items-center gap-2 font-semibold text-ok">
        <FileCheck2 aria-hidden className="size-4" />
        {text.made}
      </p>
      <dl className="grid gap-x-6 gap-y-1 sm:grid-cols-[auto_1fr]">
        <dt className="text-ink-2">{result.file}</dt>
        <dd className="break-all">{file.name}</dd>
        {file.asKnownAt !== undefined && (
          <>
            <dt className="text-ink-2">{result.knownAt}</dt>
            <dd>
              <Time at={file.asKnownAt} absolute />
            </dd>
          </>
        )}
        {file.sha256 !== undefined && (
          <>
            <dt className="text-ink-2">{result.sha256}</dt>
            <dd className="flex items-start gap-1">
              <code className="pt-1 text-xs break-all">{file.sha256}</code>
              <CopyButton text={file.sha256} label={words.common.copy(result.sha256)} />
            </dd>
          </>
        )}
      </dl>
      <p className="text-sm text-ink-2">{text.same}</p>
      <Button size="sm" icon={Download} onClick={() => saveBlob(file.name, file.blob)}>
        {text.again}
      </Button>
    </div>
  );
}
