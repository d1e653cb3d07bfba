import { saidHere } from '../format/said';

/** A sentence of the control plane: what it has in `backticks` is code. */
export function Prose({ text }: { text: string }) {
  return saidHere(text)
    .split('`')
    .map((part, index) =>
      index % 2 === 1 ? (
        <code key={index} className="rounded-sm bg-sunken px-1 text-[0.8125em] break-words">
          {part}
        </code>
      ) : (
        part
      ),
    );
}
