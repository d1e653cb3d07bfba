/** Words that many pages use, and those of errors. */
export const common = {
  product: 'Holdfast',
  close: 'Close',
  cancel: 'Cancel',
  retry: 'Try again',
  copied: 'Copied',
  copy: (what: string) => `Copy ${what}`,
  clear: (what: string) => `Clear ${what}`,
  clearFilters: 'Clear filters',
  none: 'none',
  noMatch: 'Nothing matches',
  useTyped: (text: string) => `Press Enter to use “${text}”`,
  typeToConfirm: (name: string) => `Type ${name} to confirm`,
  bytes: (count: string) => `${count} bytes`,
  progressUnknown: 'under way',
  notification: 'Notification',
  loading: 'Reading…',
  time: 'Time',
  docs: 'Documentation',
  sortedBy: (column: string) => `Sort by ${column}`,
};

export const errors = {
  explain: 'What this means:',
  request: 'Request',
  unreachable: {
    message: 'The control plane does not answer',
    hint: 'Check the network and that holdfastd runs. The page asks again by itself.',
  },
  unreadableAnswer: {
    message: 'The answer cannot be read',
    hint: 'Something between this browser and holdfastd, such as a proxy, may have answered instead.',
  },
  console: {
    message: 'The console failed to show this',
    hint: 'Load the page again. If it fails again, it is a defect: report it with the text below.',
  },
  notFound: {
    title: 'Nothing is at this address',
    about: 'It may have been deleted, or the address may be mistyped.',
    home: 'To the overview',
  },
};

export const equivalent = {
  title: 'CLI and API',
  about: 'The console does nothing that the command line and the API cannot do. The same act:',
  cli: 'Command',
  api: 'API call',
};
