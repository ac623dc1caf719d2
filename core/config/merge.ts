/** By these keys an object says of which kind it is. */
const KINDS = ['type', 'mode'];

type Fields = Record<string, unknown>;

/**
 * A config's file over the one that it is based on: objects are merged key by key, everything else is replaced. An
 * object of another kind, such as a head of another type, replaces the base's as a whole.
 */
export function mergeOver(base: unknown, own: unknown): unknown {
  if (!isFields(base) || !isFields(own) || isOtherKind(base, own)) return own;
  const keys = new Set([...Object.keys(base), ...Object.keys(own)]);
  return Object.fromEntries(
    [...keys].map((key) => [key, key in own ? mergeOver(base[key], own[key]) : base[key]]),
  );
}

function isOtherKind(base: Fields, own: Fields): boolean {
  // A backbone and a head of ours make a model that needs no type.
  if ([base, own].some(({ type }) => type === 'onnx') && [base, own].some((model) => 'backbone' in model))
    return true;
  return KINDS.some((key) => key in own && key in base && own[key] !== base[key]);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
