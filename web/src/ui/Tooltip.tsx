import { Tooltip as Radix } from 'radix-ui';
import type { ReactNode } from 'react';

interface Props {
  /** A function is asked when it is shown: a table has hundreds of them. */
  text: ReactNode | (() => ReactNode);
  side?: 'top' | 'right' | 'bottom' | 'left';
  children: ReactNode;
}

/** Says more of the one child, on hover and on focus; never the only place of a fact. */
export function Tooltip({ text, side = 'top', children }: Props) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          side={side}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-80 animate-in rounded-md bg-ink px-2.5 py-1.5 text-xs font-medium text-surface shadow-float"
        >
          {typeof text === 'function' ? <Asked text={text} /> : text}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

const Asked = ({ text }: { text: () => ReactNode }) => text();

export const TooltipProvider = Radix.Provider;
