/** Declares a fleet. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { createFleet, fleetDocument } from '../../api/queries/fleet-changes';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Equivalent } from '../../ui/Equivalent';
import { TextField } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';

const text = words.fleets.create;
const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

export function CreateFleet({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [tried, setTried] = useState(false);
  const create = useMutation({
    mutationFn: () => createFleet(name, description.trim()),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['fleets'] });
      toast({ tone: 'ok', title: text.done });
      onClose();
    },
  });
  const submit = () => {
    setTried(true);
    if (NAME.test(name)) create.mutate();
  };
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.title}
      about={words.fleets.about}
      width="sm"
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli="holdfast apply -f fleet.yaml"
              api={{
                method: 'PUT',
                path: `/api/v1/fleets/${name || 'NAME'}`,
                body: fleetDocument(name || 'NAME', description.trim()),
              }}
            />
          </span>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button variant="primary" busy={create.isPending} onClick={submit}>
            {text.submit}
          </Button>
        </>
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {create.error !== null && <ErrorState compact error={create.error} />}
        <TextField
          label={text.name}
          help={text.nameHelp}
          value={name}
          spellCheck={false}
          error={tried && !NAME.test(name) ? text.needName : undefined}
          onChange={(event) => setName(event.target.value.trim())}
        />
        <TextField
          label={text.description}
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <button type="submit" className="sr-only" tabIndex={-1}>
          {text.submit}
        </button>
      </form>
    </Dialog>
  );
}
