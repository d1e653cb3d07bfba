/** What speaks against promises: how sure that is, the field, and what would help. */
import { Ban, CircleAlert, Info, type LucideIcon } from 'lucide-react';
import type { PolicyLint } from '../../api/queries/policies';
import { StatusPill, type Tone } from '../../ui/Badge';
import { Prose } from '../../ui/Prose';
import { words } from '../../words';

const text = words.policies.preview.severity;
const LOOKS: Record<string, { tone: Tone; icon: LucideIcon; rank: number }> = {
  infeasible: { tone: 'bad', icon: Ban, rank: 0 },
  warning: { tone: 'warn', icon: CircleAlert, rank: 1 },
  note: { tone: 'info', icon: Info, rank: 2 },
};

export function LintList({
  lint,
  onField,
}: {
  lint: readonly PolicyLint[];
  /** Leads to a field that is spoken of. */
  onField?: (field: string) => void;
}) {
  const ranked = [...lint].sort((left, right) => rankOf(left) - rankOf(right));
  return (
    <ul className="space-y-3">
      {ranked.map(({ code, field, hint, message, severity }) => {
        const look = LOOKS[severity] ?? LOOKS['note'];
        return (
          <li key={`${code} ${field}`} className="space-y-1">
            <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
              <StatusPill tone={look?.tone ?? 'info'} icon={look?.icon ?? Info}>
                {text[severity as keyof typeof text] ?? severity}
              </StatusPill>
              {onField === undefined ? (
                <code className="text-xs text-ink-3">{field}</code>
              ) : (
                <button
                  type="button"
                  onClick={() => onField(field)}
                  className="rounded-sm font-mono text-xs text-ink-2 underline underline-offset-2 hover:text-ink"
                >
                  {field}
                </button>
              )}
            </div>
            <p className="first-letter:uppercase">{message}.</p>
            {hint !== '' && (
              <p className="text-ink-2 first-letter:uppercase">
                <Prose text={hint} />
              </p>
            )}
          </li>
        );
      })}
    </ul>
  );
}

const rankOf = ({ severity }: PolicyLint) => LOOKS[severity]?.rank ?? 3;
