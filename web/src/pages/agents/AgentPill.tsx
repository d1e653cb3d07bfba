/** Whether an agent works. */
import { CircleCheck, CircleX, ShieldX, type LucideIcon } from 'lucide-react';
import type { Agent } from '../../api/queries/agents';
import { StatusPill, type Tone } from '../../ui/Badge';
import { words } from '../../words';

const LOOKS: Record<Agent['state'], { tone: Tone; icon: LucideIcon }> = {
  online: { tone: 'ok', icon: CircleCheck },
  offline: { tone: 'bad', icon: CircleX },
  revoked: { tone: 'idle', icon: ShieldX },
};

export function AgentPill({ state }: { state: Agent['state'] }) {
  const { tone, icon } = LOOKS[state];
  return (
    <StatusPill tone={tone} icon={icon}>
      {words.agents.states[state]}
    </StatusPill>
  );
}
