import type { ComponentProps, ReactNode } from 'react';
import { cx } from './cx';

export function Card({ className, ...rest }: ComponentProps<'section'>) {
  return (
    <section
      className={cx('rounded-lg border border-line bg-surface shadow-lift', className)}
      {...rest}
    />
  );
}

interface HeaderProps {
  title: ReactNode;
  /** One sentence under the title. */
  about?: ReactNode;
  actions?: ReactNode;
  className?: string;
}

export function CardHeader({ title, about, actions, className }: HeaderProps) {
  return (
    <header className={cx('flex items-start gap-3 px-4 pt-3.5 pb-2', className)}>
      <div className="min-w-0 flex-1">
        <h2 className="text-base font-semibold">{title}</h2>
        {about !== undefined && <p className="text-sm text-ink-2">{about}</p>}
      </div>
      {actions}
    </header>
  );
}

export function CardBody({ className, ...rest }: ComponentProps<'div'>) {
  return <div className={cx('px-4 pb-4', className)} {...rest} />;
}
