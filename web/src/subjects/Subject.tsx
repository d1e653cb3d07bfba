/** What something is about, each part a link to its page. */
import { Link } from '@tanstack/react-router';
import { shortId } from '../format/ids';
import { cx } from '../ui/cx';
import { words } from '../words';
import { partsOf } from './subject';

const kinds: Record<string, string> = words.subjects;
const LINK =
  'rounded-sm underline decoration-line-strong underline-offset-4 hover:decoration-ink break-all';

export function Subject({ subject, className }: { subject: string; className?: string }) {
  return (
    <span className={cx('inline', className)}>
      {partsOf(subject).map(({ kind, name, page }, index) => (
        <span key={index}>
          {index > 0 && ' · '}
          <span className="text-ink-2">{kinds[kind] ?? kind}</span>{' '}
          {page === undefined ? (
            <span title={name} className="break-all">
              {shortId(name)}
            </span>
          ) : (
            <Link to={page.to} search={page.search as never} title={name} className={LINK}>
              {shortId(name)}
            </Link>
          )}
        </span>
      ))}
    </span>
  );
}
