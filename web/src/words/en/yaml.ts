/** Words of YAML: the editor, its faults, differences. */
export const yaml = {
  notOne: 'one document is edited here; what follows --- belongs into another',
  notMap: 'a document begins with apiVersion, kind, metadata and spec',
  unknownField: (meant: string | undefined, expected: readonly string[]) =>
    meant === undefined
      ? `is not a field here; known are ${expected.join(', ')}`
      : `is not a field here; is ${meant} meant?`,
  editor: { line: (line: number) => `Line ${line}` },
  diff: {
    same: 'Nothing differs.',
    skipped: (count: number) => (count === 1 ? '1 line as before' : `${count} lines as before`),
    gone: 'taken away:',
    new: 'new:',
  },
};
