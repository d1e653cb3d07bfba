/** How to reach what was restored, and what else was done with it. */
import { CircleCheck, CircleX } from 'lucide-react';
import type { Restore } from '../../api/queries/restores';
import { formatDuration } from '../../format/time';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { shellWord } from '../../ui/Equivalent';
import { Lsn, Time } from '../../ui/Values';
import { words } from '../../words';
import { Facts } from '../work/Facts';
import { FailureNote } from '../work/FailureNote';
import { AgentLink } from '../work/links';
import { readResult, type RestoreResult } from './result';

const text = words.restores.detail.handOver;

export function HandOver({ restore }: { restore: Restore }) {
  const result = readResult(restore.result);
  return (
    <Card>
      <CardHeader title={text.title} />
      <CardBody className="space-y-4">
        {result === undefined ? (
          <p className="text-ink-2">{text.yet}</p>
        ) : (
          <>
            <Reach agent={restore.agent} result={result} />
            <Steps restore={restore} result={result} />
          </>
        )}
      </CardBody>
    </Card>
  );
}

function Reach({ agent, result }: { agent: string; result: RestoreResult }) {
  const { dir, port, socketDir } = result;
  return (
    <>
      {port == null ? (
        <div className="space-y-1">
          <p>{text.notStarted}</p>
          <h3 className="text-sm font-medium">{text.start}</h3>
          <CodeBlock label={text.start} text={`pg_ctl start -D ${shellWord(dir)}`} />
        </div>
      ) : (
        <div className="space-y-1">
          <h3 className="text-sm font-medium">{text.connect}</h3>
          <CodeBlock label={text.connect} text={`psql -h localhost -p ${port}`} />
          {socketDir != null && (
            <>
              <h3 className="pt-2 text-sm font-medium">{text.connectBySocket}</h3>
              <CodeBlock
                label={text.connectBySocket}
                text={`psql -h ${shellWord(socketDir)} -p ${port}`}
              />
            </>
          )}
        </div>
      )}
      <Facts
        facts={[
          { term: text.host, value: <AgentLink name={agent} /> },
          ...(port == null
            ? []
            : [{ term: text.port, value: <span className="num">{port}</span> }]),
          { term: text.timeline, value: result.timeline },
          { term: text.reached, value: <Lsn at={result.reachedLsn} /> },
          { term: text.lastCommit, value: <Time absolute at={result.reachedTime} /> },
          {
            term: text.dir,
            wide: true,
            value: <code className="text-[0.8125rem] break-all">{dir}</code>,
          },
        ]}
      />
    </>
  );
}

function Steps({ restore, result }: { restore: Restore; result: RestoreResult }) {
  const { handedOver } = restore;
  if (handedOver.length === 0 && result.hooks.length === 0) {
    return <p className="text-sm text-ink-3">{text.noSteps}</p>;
  }
  return (
    <div>
      <h3 className="mb-1 text-sm font-medium">{text.steps}</h3>
      <ul className="divide-y divide-line">
        {result.hooks.map((hook) => (
          <li key={hook.name} className="space-y-1.5 py-2">
            <Line
              good={hook.failure == null}
              name={text.hook(hook.name)}
              detail={text.hookExit(
                hook.exitCode == null ? '–' : String(hook.exitCode),
                formatDuration(hook.millis / 1000),
              )}
            />
            {hook.output !== '' && <CodeBlock label={text.hook(hook.name)} text={hook.output} />}
          </li>
        ))}
        {handedOver
          .filter(({ step }) => !step.startsWith('hook '))
          .map(({ step, detail, failure }) => (
            <li key={step} className="space-y-1.5 py-2">
              <Line good={failure == null} name={step} detail={detail} />
              {failure != null && <FailureNote failure={failure} />}
            </li>
          ))}
      </ul>
    </div>
  );
}

function Line({ good, name, detail }: { good: boolean; name: string; detail: string }) {
  const Icon = good ? CircleCheck : CircleX;
  return (
    <p className="flex items-start gap-2.5">
      <Icon
        aria-hidden
        className={good ? 'mt-0.5 size-4 shrink-0 text-ok' : 'mt-0.5 size-4 shrink-0 text-bad'}
      />
      <span className="min-w-0 break-words">
        <span className="font-medium">{name}</span>
        <span className="block text-sm text-ink-2">{detail}</span>
      </span>
    </p>
  );
}
