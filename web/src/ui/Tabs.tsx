import { Tabs as Radix } from 'radix-ui';
import { useEffect, useRef, type ReactNode } from 'react';
import { cx } from './cx';

export interface Tab<T extends string> {
  value: T;
  text: string;
  /** How many there are behind it. */
  count?: number | undefined;
  content: ReactNode;
}

/** Tabs whose choice the caller keeps: in the URL. */
export function Tabs<T extends string>({
  label,
  value,
  onChange,
  tabs,
  className,
}: {
  label: string;
  value: T;
  onChange: (value: T) => void;
  tabs: readonly Tab<T>[];
  className?: string;
}) {
  const list = useRef<HTMLDivElement>(null);
  // Of more tabs than a phone has room for, the chosen one is in sight.
  useEffect(() => {
    const bar = list.current;
    const active = bar?.querySelector<HTMLElement>('[data-state=active]');
    if (bar == null || active == null) return;
    bar.scrollLeft = active.offsetLeft - (bar.clientWidth - active.offsetWidth) / 2;
  }, [value]);
  return (
    <Radix.Root
      value={value}
      onValueChange={(next) => {
        const tab = tabs.find((each) => each.value === next);
        if (tab !== undefined) onChange(tab.value);
      }}
      className={className}
    >
      <Radix.List
        ref={list}
        aria-label={label}
        // What goes on beyond the edge fades towards it.
        className="scroll-quiet relative flex gap-5 overflow-x-auto border-b border-line max-sm:[mask-image:linear-gradient(to_right,var(--ink)_calc(100%-2rem),transparent)] max-sm:pr-8"
      >
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className={cx(
              '-mb-px flex h-10 items-center gap-1.5 border-b-2 border-transparent px-0.5 font-medium whitespace-nowrap text-ink-2',
              'hover:text-ink focus-visible:outline-offset-[-2px] data-[state=active]:border-accent data-[state=active]:text-ink',
            )}
          >
            {tab.text}
            {tab.count !== undefined && <span className="num text-sm text-ink-3">{tab.count}</span>}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.value} value={tab.value} className="pt-4">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
