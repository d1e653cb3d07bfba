/** What applying documents would change, and applying them: all or none. */
import { api, unwrap, type Schemas } from '../client';

export type Preview = Schemas['PolicyPreview'];
export type Document = Record<string, unknown>;

/** Refused as applying would be; changes nothing. */
export const previewDocuments = (documents: Document[], signal?: AbortSignal) =>
  unwrap(
    api.POST('/api/v1/policy-previews', {
      body: { documents: documents as never, runs: 0 },
      ...(signal !== undefined && { signal }),
    }),
  );

export const applyDocuments = (documents: Document[]) =>
  unwrap(api.POST('/api/v1/apply', { body: { documents: documents as never } }));
