/** A field that two values of the same shape hold differently. */
export interface Difference {
  /** `run.batch` */
  path: string;
  /** As JSON, or `nothing`. */
  before: string;
  now: string;
}

/** A message lists so many fields before it only counts, and so much of each value. */
const LISTED = 8;
const MAX_LENGTH = 80;

/** Every field in which `now` differs from `before`. What is undefined counts as absent; arrays are compared whole. */
export function differences(before: unknown, now: unknown): Difference[] {
  const [old, latest] = [leaves(before), leaves(now)];
  return [...new Set([...old.keys(), ...latest.keys()])]
    .map((path) => ({ path, before: old.get(path) ?? 'nothing', now: latest.get(path) ?? 'nothing' }))
    .filter((field) => field.before !== field.now);
}

/** `run.batch was 4 and is 8; split was "a" and is "b"` */
export function differencesText(fields: Difference[]): string {
  const listed = fields
    .slice(0, LISTED)
    .map(({ path, before, now }) => `${path} was ${clip(before)} and is ${clip(now)}`);
  const more = fields.length > LISTED ? [`and ${fields.length - LISTED} more`] : [];
  return [...listed, ...more].join('; ');
}

/** Each value by its path: `train.optimizer.lr` → `0.00004`. */
function leaves(value: unknown, path = ''): Map<string, string> {
  if (value === undefined) return new Map();
  const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isBranch) return new Map([[path, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, part]) => [...leaves(part, path === '' ? key : `${path}.${key}`)]),
  );
}

function clip(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}
