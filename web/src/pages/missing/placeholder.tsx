/** A route whose page is still to be built, and says so. */
import { createRoute } from '@tanstack/react-router';
import { Hammer } from 'lucide-react';
import { Page } from '../../frame/Page';
import { frameRoute } from '../../frame/route';
import { Button } from '../../ui/Button';
import { EmptyState } from '../../ui/States';
import { words } from '../../words';

const text = words.missing;

export function placeholder<const P extends string>(path: P, name: string) {
  const [list, parameter] = path.split('/$');
  const detail = parameter !== undefined && {
    under: { text: name, href: list ?? '/' },
    crumb: (params: Record<string, string>) => params[parameter] ?? '',
  };
  return createRoute({
    getParentRoute: () => frameRoute,
    path,
    staticData: detail === false ? { crumb: name } : detail,
    component: () => (
      <Page title={name}>
        <EmptyState
          icon={Hammer}
          title={text.title(name)}
          actions={
            <Button asChild>
              <a href="/api/v1/openapi.json">{text.api}</a>
            </Button>
          }
        >
          <p>{text.about}</p>
        </EmptyState>
      </Page>
    ),
  });
}
