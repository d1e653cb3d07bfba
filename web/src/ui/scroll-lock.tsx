/**
 * Keeps the page still behind a dialog. Stands in for `react-remove-scroll`, which
 * Radix uses and which writes <style> elements that our content security policy
 * forbids (see vite.config.ts).
 */
import { createElement, useEffect, type ElementType, type ReactNode, type Ref } from 'react';

let locks = 0;

function useScrollLock(enabled: boolean): void {
  useEffect(() => {
    if (!enabled) return;
    locks += 1;
    document.documentElement.dataset['scrollLocked'] = '';
    return () => {
      locks -= 1;
      if (locks === 0) delete document.documentElement.dataset['scrollLocked'];
    };
  }, [enabled]);
}

interface Props {
  as?: ElementType;
  enabled?: boolean;
  children?: ReactNode;
  ref?: Ref<HTMLElement>;
  allowPinchZoom?: boolean;
  shards?: unknown;
  inert?: boolean;
  removeScrollBar?: boolean;
  noIsolation?: boolean;
}

export function RemoveScroll({
  as = 'div',
  enabled = true,
  children,
  allowPinchZoom: _zoom,
  shards: _shards,
  inert: _inert,
  removeScrollBar: _bar,
  noIsolation: _isolation,
  ...rest
}: Props) {
  useScrollLock(enabled);
  return createElement(as, rest, children);
}
