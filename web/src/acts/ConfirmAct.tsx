/** Asks before an act that takes something away, and says there why it was refused. */
import type { UseMutationResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { AlertDialog } from '../ui/Dialog';
import { Equivalent, type EquivalentProps } from '../ui/Equivalent';
import { ActError } from './ActError';

export function ConfirmAct({
  open,
  onOpenChange,
  title,
  action,
  act,
  onConfirm,
  typed,
  tone,
  equivalent,
  children,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  action: string;
  // Whatever it sends and gets.
  // oxlint-disable-next-line typescript/no-explicit-any
  act: Pick<UseMutationResult<any, Error, any>, 'isPending' | 'error' | 'reset'>;
  onConfirm: () => void;
  /** Only for what cannot be undone. */
  typed?: string;
  tone?: 'danger' | 'primary';
  equivalent: EquivalentProps;
  children: ReactNode;
}) {
  return (
    <AlertDialog
      open={open}
      onOpenChange={(next) => {
        if (!next) act.reset();
        onOpenChange(next);
      }}
      title={title}
      action={action}
      busy={act.isPending}
      onConfirm={onConfirm}
      {...(typed !== undefined && { typed })}
      {...(tone !== undefined && { tone })}
    >
      {children}
      <Equivalent {...equivalent} />
      <ActError error={act.error} />
    </AlertDialog>
  );
}
