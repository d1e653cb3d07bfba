/** What the filters show, as a file. It is read page by page, and says how far it is. */
import { Download } from 'lucide-react';
import { useState } from 'react';
import { saveText } from '../../acts/download';
import { readAll, type AuditFilters } from '../../api/queries/audit';
import { Button } from '../../ui/Button';
import { Menu, MenuItem } from '../../ui/Menu';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { csvOf } from './csv';

const text = words.audit.export;
const MOST = 100_000;

export function Export({ filters }: { filters: AuditFilters }) {
  const [read, setRead] = useState<number>();
  const save = async (format: 'csv' | 'json') => {
    setRead(0);
    try {
      const { rows, complete } = await readAll(filters, MOST, setRead);
      const name = `holdfast-audit.${format}`;
      if (format === 'csv') saveText(name, csvOf(rows), 'text/csv');
      else saveText(name, `${JSON.stringify(rows, null, 2)}\n`, 'application/json');
      toast({
        tone: complete ? 'ok' : 'warn',
        title: text.done(rows.length),
        ...(!complete && { more: text.most }),
      });
    } catch (error) {
      toast({
        tone: 'bad',
        title: text.failed,
        more: error instanceof Error ? error.message : String(error),
      });
    } finally {
      setRead(undefined);
    }
  };
  return (
    <Menu
      trigger={
        <Button icon={Download} disabled={read !== undefined}>
          {read === undefined ? text.title : text.running(read)}
        </Button>
      }
    >
      <MenuItem onSelect={() => void save('csv')}>{text.csv}</MenuItem>
      <MenuItem onSelect={() => void save('json')}>{text.json}</MenuItem>
    </Menu>
  );
}
