/** An object literal of a source file: the comments before its keys, and the one before itself. */
export interface Literal {
  comment: string | null;
  /** Of each key, in order. */
  keys: Map<string, string | null>;
}

type Token = { kind: 'comment' | 'key' | 'spread' | 'open' | 'close' | 'separator'; text: string };

/**
 * What matters of TypeScript here: doc comments, brackets, keys, commas. Strings, templates, regular expressions and
 * other comments are passed over. A slash is taken to begin a regular expression after `(`, `,`, `=` or `:`.
 */
const TOKENS = new RegExp(
  [
    String.raw`(?<comment>\/\*\*[\s\S]*?\*\/)`,
    String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`,
    String.raw`'(?:\\.|[^'\\\n])*'\s*(?!\s*:)|"(?:\\.|[^"\\\n])*"|\x60(?:\\.|[^\x60\\])*\x60`,
    String.raw`(?<=[(,=:]\s*)\/(?![*\/])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^\/\\\n])+\/[a-z]*`,
    String.raw`(?<spread>\.\.\.)`,
    String.raw`(?<=[{,]\s*(?:\/\*\*[\s\S]*?\*\/\s*|\/\/[^\n]*\n\s*)?)(?<key>[A-Za-z_$][\w$]*)(?=\s*[:,}])`,
    String.raw`(?<open>(?:\breturn\s+)?[({[])`,
    String.raw`(?<close>[)}\]])`,
    '(?<separator>[,;])',
  ].join('|'),
  'g',
);

/** Object literals of a source file, nested ones included. A literal that a function returns declares no field. */
export function literalsOf(source: string): Literal[] {
  const found: Literal[] = [];
  const open: (Literal | null)[] = [];
  let pending: string | null = null;
  for (const { kind, text } of tokens(source)) {
    const inside = open.at(-1);
    if (kind === 'comment') pending = plain(text);
    else if (kind === 'open') {
      const literal = text === '{' ? { comment: pending, keys: new Map<string, string | null>() } : null;
      if (literal) {
        found.push(literal);
        pending = null;
      }
      open.push(literal);
    } else if (kind === 'close') open.pop();
    else if (kind === 'key' && inside) {
      inside.keys.set(text, pending);
      pending = null;
    } else if (kind === 'separator' || kind === 'spread') pending = null;
  }
  return found.filter(({ keys }) => keys.size > 0);
}

function* tokens(source: string): Generator<Token> {
  for (const { groups = {} } of source.matchAll(TOKENS))
    for (const kind of ['comment', 'key', 'spread', 'open', 'close', 'separator'] as const)
      if (groups[kind] !== undefined) yield { kind, text: groups[kind] };
}

/** A comment as one line of text. */
function plain(comment: string): string {
  return comment
    .slice('/**'.length, -'*/'.length)
    .split('\n')
    .map((line) => line.replace(/^\s*\*?\s?/, '').trim())
    .join(' ')
    .trim();
}

/**
 * What the sources say of a field.
 *
 * @param fields all fields of its object: the literal that declares most of them is taken to declare it
 */
export function fieldComment(literals: Literal[], fields: string[], field: string): string | null {
  const fitting = literals
    .filter(({ keys }) => keys.has(field) && [...keys.keys()].every((key) => fields.includes(key)))
    .toSorted((a, b) => b.keys.size - a.keys.size);
  const most = fitting[0]?.keys.size;
  return fitting.find(({ keys }) => keys.size === most && keys.get(field))?.keys.get(field) ?? null;
}

/** What the sources say of an object with just these fields. */
export function objectComment(literals: Literal[], fields: string[]): string | null {
  return (
    literals.find(
      ({ comment, keys }) =>
        comment && keys.size > 1 && keys.size === fields.length && fields.every((field) => keys.has(field)),
    )?.comment ?? null
  );
}
