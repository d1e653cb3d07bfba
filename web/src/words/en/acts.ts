/** Words around acts: what waits for others, and what waits for a later release. */
export const acts = {
  waiting: 'It waits for the consent of others',
  waitingAbout: 'Nothing was done yet. With the last consent that is needed it is done by itself.',
  toApproval: 'See the request',
  reason: 'Reason',
  reasonHelp: 'For the others who have to consent, and for the audit log.',
  later: 'Waits for a later release',
};
