import { ShieldCheck, ShieldQuestionMark } from 'lucide-react';
import { StatusPill } from '../../ui/Badge';
import { words } from '../../words';

/** Without a drill that passed and is young enough, nothing is proven. */
export function ProofPill({ proven }: { proven: boolean }) {
  return proven ? (
    <StatusPill tone="ok" icon={ShieldCheck}>
      {words.drills.proven}
    </StatusPill>
  ) : (
    <StatusPill tone="warn" icon={ShieldQuestionMark}>
      {words.drills.notProven}
    </StatusPill>
  );
}
