/** Words of the field of a moment. */
export const moment = {
  toSeconds: 'YYYY-MM-DD hh:mm:ss',
  toMinutes: 'YYYY-MM-DD hh:mm',
  zone: (zone: string) => `In ${zone}. What ends with Z or an offset is read as that.`,
  wrong: 'Write it as 2026-02-03 02:41',
  calendar: 'Choose in a calendar',
};
