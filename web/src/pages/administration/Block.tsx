/** A list under its title, with the act that adds to it. */
import type { ReactNode } from 'react';
import { Card, CardHeader } from '../../ui/Card';
import { ErrorState } from '../../ui/States';

export function Block({
  title,
  about,
  actions,
  error,
  retry,
  children,
}: {
  title: string;
  about?: ReactNode;
  actions?: ReactNode;
  /** When nothing could be read. */
  error?: Error | null;
  retry?: () => void;
  children: ReactNode;
}) {
  return (
    <Card className="overflow-hidden">
      <CardHeader title={title} about={about} actions={actions} className="pb-3" />
      {error ? (
        <div className="px-4 pb-4">
          <ErrorState compact error={error} retry={retry} />
        </div>
      ) : (
        <div className="border-t border-line">{children}</div>
      )}
    </Card>
  );
}
