/** The contract of a policy: one sentence, as the control plane says it. */
import { Handshake } from 'lucide-react';
import { cx } from '../../ui/cx';

export function Contract({
  title,
  text,
  className,
}: {
  title: string;
  text: string;
  className?: string;
}) {
  return (
    <section className={cx('rounded-lg bg-accent-soft px-4 py-3.5', className)}>
      <h2 className="flex items-center gap-1.5 text-sm font-semibold text-accent">
        <Handshake aria-hidden className="size-4" />
        {title}
      </h2>
      <p className="mt-1 text-lg text-pretty text-ink">{text}</p>
    </section>
  );
}
