import { clsx, type ClassValue } from 'clsx';
import { extendTailwindMerge } from 'tailwind-merge';

const merge = extendTailwindMerge({
  extend: {
    theme: { text: ['xs', 'sm', 'base', 'lg', 'xl', '2xl', '3xl'], shadow: ['lift', 'float'] },
  },
});

/** Classes joined; of two that say the same, the later one counts. */
export function cx(...classes: ClassValue[]): string {
  return merge(clsx(classes));
}
