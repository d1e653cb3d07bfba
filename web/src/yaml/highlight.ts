/** Cuts a line of YAML into parts to be coloured. For eyes alone: it decides nothing. */

export interface YamlPart {
  kind: 'key' | 'comment' | 'mark' | 'text' | 'plain';
  text: string;
}

const COMMENT = /(^|\s)#.*$/;
const KEY = /^(\s*(?:- +)*)("[^"]*"|'[^']*'|[\w./*-]+)(:)(?=\s|$)/;
const LEAD = /^(\s*(?:- +|-$)+)/;

export function partsOf(line: string): YamlPart[] {
  const parts: YamlPart[] = [];
  const push = (kind: YamlPart['kind'], text: string) => {
    if (text !== '') parts.push({ kind, text });
  };
  const found = quoted(line) ? null : COMMENT.exec(line);
  const body = found === null ? line : line.slice(0, found.index);
  const key = KEY.exec(body);
  if (key !== null) {
    push('mark', key[1] ?? '');
    push('key', key[2] ?? '');
    push('mark', ':');
    push('text', body.slice(key[0].length));
  } else {
    const lead = LEAD.exec(body)?.[1] ?? '';
    push('mark', lead);
    push('text', body.slice(lead.length));
  }
  if (found !== null) push('comment', line.slice(found.index));
  return parts;
}

/** Whether the first # of the line is inside quotes. */
function quoted(line: string): boolean {
  const at = line.indexOf('#');
  if (at === -1) return false;
  const before = line.slice(0, at);
  const odd = (mark: string) => before.split(mark).length % 2 === 0;
  return odd('"') || odd("'");
}
