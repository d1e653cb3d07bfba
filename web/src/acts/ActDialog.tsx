/** A form in a dialog: fields, what it equals, the error where it happened, the verb. */
import type { UseMutationResult } from '@tanstack/react-query';
import { useId } from 'react';
import { Button } from '../ui/Button';
import { Dialog, type DialogProps } from '../ui/Dialog';
import { Equivalent, type EquivalentProps } from '../ui/Equivalent';
import { words } from '../words';
import { ActError } from './ActError';

export interface ActDialogProps extends Omit<DialogProps, 'footer'> {
  /** The verb on the button. */
  action: string;
  onSubmit: () => void;
  // Whatever it sends and gets.
  // oxlint-disable-next-line typescript/no-explicit-any
  act: Pick<UseMutationResult<any, Error, any>, 'isPending' | 'error' | 'reset'>;
  disabled?: boolean;
  tone?: 'primary' | 'danger';
  equivalent: EquivalentProps;
}

export function ActDialog({
  action,
  onSubmit,
  act,
  disabled = false,
  tone = 'primary',
  equivalent,
  children,
  onOpenChange,
  ...dialog
}: ActDialogProps) {
  const id = useId();
  return (
    <Dialog
      {...dialog}
      onOpenChange={(open) => {
        if (!open) act.reset();
        onOpenChange(open);
      }}
      footer={
        <>
          <div className="flex-1">
            <Equivalent {...equivalent} />
          </div>
          <Button onClick={() => onOpenChange(false)}>{words.common.cancel}</Button>
          <Button type="submit" form={id} variant={tone} busy={act.isPending} disabled={disabled}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id={id}
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled) onSubmit();
        }}
      >
        {children}
        <ActError error={act.error} />
      </form>
    </Dialog>
  );
}
