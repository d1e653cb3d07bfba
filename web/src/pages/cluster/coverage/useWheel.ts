import { useCallback, useEffect, useRef } from 'react';

/** Whether the wheel was taken: then the page does not scroll by it. */
type OnWheel = (event: WheelEvent, x: number) => boolean;

/** The wheel over an element. React's own listener cannot keep the page from scrolling. */
export function useWheel(
  onWheel: OnWheel,
): (element: HTMLElement | null) => (() => void) | undefined {
  const latest = useRef(onWheel);
  useEffect(() => {
    latest.current = onWheel;
  });
  return useCallback((element: HTMLElement | null) => {
    if (element === null) return undefined;
    const listener = (event: WheelEvent) => {
      const x = event.clientX - element.getBoundingClientRect().left;
      if (latest.current(event, x)) event.preventDefault();
    };
    element.addEventListener('wheel', listener, { passive: false });
    return () => element.removeEventListener('wheel', listener);
  }, []);
}
