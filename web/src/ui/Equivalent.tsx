/** What a form or dialog does, as the command and the API call that do the same. */
import { Terminal } from 'lucide-react';
import { Popover } from 'radix-ui';
import { words } from '../words';
import { Button } from './Button';
import { CodeBlock } from './Code';

export interface ApiCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
}

export interface EquivalentProps {
  /** The whole command: `holdfast backup run orders`. */
  cli: string;
  api: ApiCall;
}

export function Equivalent({ cli, api }: EquivalentProps) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button variant="ghost" size="sm" icon={Terminal}>
          {words.equivalent.title}
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={6}
          collisionPadding={12}
          aria-label={words.equivalent.title}
          className="z-50 w-[min(34rem,calc(100vw-1.5rem))] animate-in space-y-3 rounded-lg border border-line bg-raised p-4 shadow-float"
        >
          <p className="text-sm text-ink-2">{words.equivalent.about}</p>
          <Part title={words.equivalent.cli} text={cli} />
          <Part title={words.equivalent.api} text={callText(api)} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Part({ title, text }: { title: string; text: string }) {
  return (
    <div className="space-y-1">
      <h3 className="text-xs font-semibold text-ink-2">{title}</h3>
      <CodeBlock text={text} label={title} />
    </div>
  );
}

export function callText({ method, path, body }: ApiCall): string {
  const line = `${method} ${path}`;
  return body === undefined ? line : `${line}\n\n${JSON.stringify(body, null, 2)}`;
}

/** An argument as a shell takes it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
