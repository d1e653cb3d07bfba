/** Links to what the pages of work name. Ids are told by their beginning, whole on hover. */
import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { None } from '../../ui/Values';
import { shortId } from '../../format/ids';

const LINK = 'rounded-sm underline-offset-4 decoration-line-strong hover:underline';
const ID = `${LINK} font-mono text-[0.8125rem] whitespace-nowrap`;

type Maybe = string | null | undefined;

export function ClusterLink({ name }: { name: string }) {
  return (
    <Link
      to="/clusters/$cluster"
      params={{ cluster: name }}
      className={`${LINK} truncate font-medium`}
    >
      {name}
    </Link>
  );
}

/** An id with the cluster under it, where the screen has no room for a column of its own. */
export function WithCluster({ name, children }: { name: string; children: ReactNode }) {
  return (
    <span className="min-w-0 leading-tight">
      <span className="block truncate">{children}</span>
      <span className="block truncate text-xs text-ink-2 sm:hidden">{name}</span>
    </span>
  );
}

export function JobLink({ id }: { id: Maybe }) {
  if (id === null || id === undefined) return <None />;
  return (
    <Link to="/jobs/$job" params={{ job: id }} title={id} className={ID}>
      {shortId(id)}
    </Link>
  );
}

export function BackupLink({ id }: { id: Maybe }) {
  if (id === null || id === undefined) return <None />;
  return (
    <Link to="/catalog/$backup" params={{ backup: id }} title={id} className={ID}>
      {shortId(id)}
    </Link>
  );
}

export function RestoreLink({ id }: { id: Maybe }) {
  if (id === null || id === undefined) return <None />;
  return (
    <Link to="/restores/$restore" params={{ restore: id }} title={id} className={ID}>
      {shortId(id)}
    </Link>
  );
}

export function DrillLink({ id }: { id: Maybe }) {
  if (id === null || id === undefined) return <None />;
  return (
    <Link to="/drills/$drill" params={{ drill: id }} title={id} className={ID}>
      {shortId(id)}
    </Link>
  );
}

export function ApprovalLink({ id, children }: { id: string; children?: string }) {
  return (
    <Link
      to="/approvals/$approval"
      params={{ approval: id }}
      title={id}
      className={children === undefined ? ID : `${LINK} font-medium`}
    >
      {children ?? shortId(id)}
    </Link>
  );
}

export function AgentLink({ name }: { name: Maybe }) {
  if (name === null || name === undefined) return <None />;
  return (
    <Link to="/agents/$agent" params={{ agent: name }} className={`${LINK} truncate`}>
      {name}
    </Link>
  );
}

export function RepositoryLink({ name }: { name: string }) {
  return (
    <Link
      to="/repositories/$repository"
      params={{ repository: name }}
      className={`${LINK} truncate`}
    >
      {name}
    </Link>
  );
}

export function RepositoryLinks({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <None />;
  return (
    <span className="flex flex-wrap gap-x-2">
      {names.map((name) => (
        <RepositoryLink key={name} name={name} />
      ))}
    </span>
  );
}
