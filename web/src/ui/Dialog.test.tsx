import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { AlertDialog } from './Dialog';

test('what cannot be undone is done only once its name was typed', async () => {
  const user = userEvent.setup();
  const confirm = vi.fn();
  render(
    <AlertDialog
      open
      onOpenChange={() => {}}
      title="Delete?"
      action="Delete"
      typed="orders"
      onConfirm={confirm}
    >
      <p>Gone for good.</p>
    </AlertDialog>,
  );
  const button = screen.getByRole('button', { name: 'Delete' });
  expect(button).toBeDisabled();
  await user.type(screen.getByRole('textbox', { name: 'Type orders to confirm' }), 'order{Enter}');
  expect(confirm).not.toHaveBeenCalled();
  expect(button).toBeDisabled();
  await user.type(screen.getByRole('textbox'), 's');
  expect(button).toBeEnabled();
  await user.click(button);
  expect(confirm).toHaveBeenCalledTimes(1);
});
