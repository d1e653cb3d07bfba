/** Hosts and copies that a plan had to choose from, with the reason for or against each. */
import { CircleCheck, CircleMinus } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { FailureNote } from '../work/FailureNote';
import { AgentLink, RepositoryLink } from '../work/links';

const text = words.wizard.plan;

export function Hosts({
  placement,
  onTake,
}: {
  placement: readonly Schemas['PlacedOn'][];
  onTake?: (agent: string) => void;
}) {
  if (placement.length === 0) return null;
  return (
    <Card>
      <CardHeader title={text.hosts} about={text.hostsAbout} />
      <ul className="divide-y divide-line border-t border-line">
        {placement.map(({ agent, chosen, reason, region }) => {
          const Icon = chosen ? CircleCheck : CircleMinus;
          return (
            <li key={agent} className="flex items-start gap-2.5 px-4 py-2.5">
              <Icon
                aria-hidden
                className={
                  chosen ? 'mt-0.5 size-4 shrink-0 text-ok' : 'mt-0.5 size-4 shrink-0 text-ink-3'
                }
              />
              <div className="min-w-0 flex-1">
                <p className="flex flex-wrap items-center gap-2">
                  <span className="font-medium">
                    <AgentLink name={agent} />
                  </span>
                  {region != null && <Badge>{region}</Badge>}
                  <span className="sr-only">{chosen ? text.chosen : text.passedOver}</span>
                </p>
                <p className="text-sm text-ink-2">{reason}</p>
              </div>
              {!chosen && onTake !== undefined && (
                <Button size="sm" aria-label={text.take(agent)} onClick={() => onTake(agent)}>
                  {text.take(agent)}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

export function Copies({
  copies,
  tried,
}: {
  copies: readonly Schemas['CopyToRead'][];
  tried: readonly Schemas['CopyTried'][];
}) {
  return (
    <Card>
      <CardHeader title={text.copies} about={text.copiesAbout} />
      <CardBody className="space-y-3">
        <ol className="space-y-2">
          {copies.map(({ repository, region, reason, frontier }, index) => (
            <li key={repository} className="flex items-start gap-3">
              <span className="num w-4 shrink-0 text-right font-semibold text-ink-3">
                {index + 1}
              </span>
              <div className="min-w-0">
                <p className="flex flex-wrap items-center gap-x-2">
                  <span className="font-medium">
                    <RepositoryLink name={repository} />
                  </span>
                  {region != null && <Badge>{region}</Badge>}
                  {frontier != null && (
                    <span className="text-sm text-ink-3">
                      {text.frontier} <Time at={frontier} />
                    </span>
                  )}
                </p>
                <p className="text-sm text-ink-2">{reason}</p>
              </div>
            </li>
          ))}
        </ol>
        {tried.length > 0 && (
          <div className="space-y-2">
            <h3 className="text-sm font-medium">{text.tried}</h3>
            {tried.map(({ repository, failure, at }) => (
              <div key={`${repository} ${at}`}>
                <p className="mb-1 text-sm">
                  <RepositoryLink name={repository} /> <Time at={at} className="text-ink-2" />
                </p>
                <FailureNote tone="warn" failure={failure} />
              </div>
            ))}
          </div>
        )}
      </CardBody>
    </Card>
  );
}
