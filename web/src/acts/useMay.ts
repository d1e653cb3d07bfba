/** Whether who is logged in may do something everywhere; undefined until that is known. */
import { useQuery } from '@tanstack/react-query';
import { useWholeList } from '../api/pages';
import { access } from '../api/queries/access';
import { roles } from '../api/queries/roles';
import { mayEverywhere } from './may';

export function useMay(permission: string): boolean | undefined {
  const me = useQuery(access.me());
  const known = useWholeList(roles.list());
  // What cannot be known here is asked for, and the API says why not.
  if (me.error !== null || known.error !== null) return true;
  if (me.data?.unlimited === true) return true;
  if (me.data === undefined || !known.complete) return undefined;
  return mayEverywhere(me.data, known.items, permission);
}
