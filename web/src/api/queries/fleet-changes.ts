/** Creating and deleting fleets. */
import { api, unwrap } from '../client';

export const createFleet = (name: string, description: string) =>
  unwrap(
    api.PUT('/api/v1/fleets/{name}', {
      // Only when there is none of this name.
      params: { path: { name }, header: { 'If-None-Match': '*' } as never },
      body: fleetDocument(name, description),
    }),
  );

export const fleetDocument = (name: string, description: string) => ({
  apiVersion: 'holdfast/v1',
  kind: 'Fleet' as const,
  metadata: { name },
  spec: description === '' ? {} : { description },
});

export const deleteFleet = (name: string) =>
  unwrap(api.DELETE('/api/v1/fleets/{name}', { params: { path: { name } } }));
