import { Check, Copy } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import { words } from '../words';
import { IconButton } from './Button';
import { cx } from './cx';

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line-strong bg-sunken px-1 text-[0.6875rem] font-medium text-ink-2">
      {children}
    </kbd>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <IconButton
        icon={copied ? Check : Copy}
        label={copied ? words.common.copied : label}
        size="sm"
        onClick={() => void copy(text).then(setCopied)}
      />
      <span role="status" className="sr-only">
        {copied ? words.common.copied : ''}
      </span>
    </>
  );
}

/** The clipboard wants a secure context; an old way works without one. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr-only';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Text to be copied as it is: commands, documents, SQL. */
export function CodeBlock({
  text,
  label,
  className,
}: {
  text: string;
  /** What it is: for screen readers and for the button. */
  label: string;
  className?: string;
}) {
  return (
    <div className={cx('group relative rounded-md border border-line bg-sunken', className)}>
      <pre
        // It scrolls, so keys must reach it.
        tabIndex={0}
        aria-label={label}
        className="scroll-quiet overflow-x-auto py-2.5 pr-11 pl-3 text-[0.8125rem] leading-5"
      >
        <code>{text}</code>
      </pre>
      {/* Of a long line nothing looks out behind it. */}
      <div className="absolute top-0 right-0 rounded-r-md bg-sunken pt-1.5 pr-1.5 pb-1 pl-1">
        <CopyButton text={text} label={words.common.copy(label)} />
      </div>
    </div>
  );
}
