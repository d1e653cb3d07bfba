/** Words of lines of cron. */
const names = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** By number and by the first three letters, as cron has them. */
const days: Partial<Record<string, string>> = Object.fromEntries([
  ...names.map((name, index) => [String(index), name] as const),
  ...names.map((name) => [name.slice(0, 3).toLowerCase(), name] as const),
  ['7', 'Sunday'],
]);

export const cron = {
  days,
  fromTo: (from: string, to: string) => `${from} to ${to}`,
  onDays: (on: string, time: string) => `${on} at ${time}`,
  everyDay: (time: string) => `every day at ${time}`,
  everyHour: (minute: string) => `every hour at :${minute}`,
  everyHours: (hours: number, minute: string) => `every ${hours} hours at :${minute}`,
  everyMinutes: (minutes: number) => `every ${minutes} minutes`,
  dayOfMonth: (day: string, time: string) => `day ${day} of each month at ${time}`,
};
