/** What a job gave: what is said in one word as facts, all of it as the API has it. */
import type { ReactNode } from 'react';
import { shortId } from '../../format/ids';
import { Bytes, Duration, Time } from '../../ui/Values';
import { words } from '../../words';
import { Facts, type Fact } from '../work/Facts';
import { Raw } from '../work/Raw';
import { toldOf, type Told } from './result';

const text = words.jobs.results;

export function JobResult({ result }: { result: object }) {
  const facts = toldOf(result).map((told): Fact => ({
    term: told.name,
    value: <Value {...told} />,
  }));
  return (
    <div className="space-y-3">
      {facts.length > 0 && <Facts facts={facts} />}
      <Raw title={text.whole} label={words.jobs.result} record={result} />
    </div>
  );
}

function Value({ kind, value }: Told): ReactNode {
  switch (kind) {
    case 'bytes':
      return <Bytes bytes={Number(value)} />;
    case 'seconds':
      return <Duration seconds={Number(value)} />;
    case 'moment':
      return <Time at={String(value)} absolute />;
    case 'flag':
      return value === true ? text.yes : text.no;
    case 'text':
      return (
        <span title={String(value)} className="num break-words">
          {shortId(String(value))}
        </span>
      );
  }
}
