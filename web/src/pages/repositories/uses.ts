/** Which policies keep backups in which repository. */
import type { Policy } from '../../api/queries/policies';
import type { Repository } from '../../api/queries/repositories';
import type { Schemas } from '../../api/client';
import { specOf } from '../policies/facts';

export interface Use {
  policy: string;
  /** Undefined is the first place; a copy has its limit, where one is said. */
  copy: { within: string | undefined } | undefined;
}

export function usesOf(repository: string, policies: readonly Policy[]): Use[] {
  return policies.flatMap((policy) => {
    const { repository: first, copies } = specOf(policy);
    const name = policy.metadata.name;
    const uses: Use[] = first === repository ? [{ policy: name, copy: undefined }] : [];
    for (const copy of copies ?? []) {
      if (copy.repository === repository) {
        uses.push({ policy: name, copy: { within: copy.within ?? undefined } });
      }
    }
    return uses;
  });
}

export const placeOf = (repository: Repository) =>
  repository.spec as unknown as Schemas['RepositorySpec'];
