/** A record whole, to be kept elsewhere: exactly what the API says of it. */
import { Download } from 'lucide-react';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { words } from '../../words';
import { Raw } from './Raw';

const text = words.drills.evidence;

export function Evidence({
  name,
  record,
  about = text.about,
}: {
  /** Of the file. */
  name: string;
  record: unknown;
  about?: string;
}) {
  const json = JSON.stringify(record, null, 2);
  return (
    <Card>
      <CardHeader
        title={text.title}
        about={about}
        actions={
          <Button size="sm" icon={Download} onClick={() => save(`${name}.json`, json)}>
            {text.download}
          </Button>
        }
      />
      <CardBody>
        <Raw title={text.show} label={text.text} record={record} />
      </CardBody>
    </Card>
  );
}

function save(name: string, json: string): void {
  const url = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
