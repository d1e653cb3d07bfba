/** The dry run of a text, once its writer pauses: never more than one a moment. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { policies } from '../../../api/queries/policies';
import { valueAt } from '../../../yaml/twin';
import { nameOf, readDraft, type Draft } from './draft';
import type { PreviewState } from './PreviewPanel';

const PAUSE_MILLISECONDS = 500;

export function usePreview(text: string): PreviewState {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [text]);
  const draft = useMemo(() => readDraft(settled), [settled]);
  const now = useMemo(() => readDraft(text), [text]);
  const ready = isReady(draft);
  const query = useQuery({
    ...policies.preview(draft.document, ready),
    placeholderData: keepPreviousData,
  });
  const waits = !isReady(now);
  return {
    data: waits ? undefined : query.data,
    error: ready && settled === text ? query.error : null,
    current: ready && settled === text && !query.isFetching && !query.isPlaceholderData,
    waits,
  };
}

function isReady(draft: Draft): boolean {
  const repository = valueAt(draft.document, ['spec', 'repository']);
  return nameOf(draft) !== '' && typeof repository === 'string' && repository !== '';
}
