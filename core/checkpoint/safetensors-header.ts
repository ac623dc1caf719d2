import { BadData } from '../config/failures.ts';

/** Limits for hostile headers, far above what any model has: InternViT-6B's header has 80 kB. */
/** The format's own. */
export const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 200_000;
/** Brackets, commas and strings: what JSON.parse makes of them takes a hundred times their bytes. */
const MAX_TOKENS = 5_000_000;
/** The header, a tensor, its shape or range. */
const MAX_DEPTH = 3;
/** As torch's own limit. */
const MAX_DIMENSIONS = 64;
/** Names of tensors are paths through modules. */
const MAX_NAME_CHARACTERS = 1_000;

export const METADATA = '__metadata__';

/** A tensor as the header has it. */
export interface HeaderEntry {
  name: string;
  /** As the format calls it: `BF16`. */
  dtype: string;
  shape: number[];
  /** Bytes in the data section, which begins behind the header. */
  begin: number;
  end: number;
}

/**
 * The tensors that a header names, in the order of their bytes.
 *
 * @param name what messages call the file
 * @param dataBytes bytes of the data section
 * @throws BadData if it is no such header, or its ranges overlap, leave gaps or leave the file
 * @see safetensors 0.6 `README.md` "Format", `tensor.rs` `Metadata::validate`
 */
export function parseHeader(name: string, header: Uint8Array, dataBytes: number): HeaderEntry[] {
  const complain = (what: string) => new BadData(`${name}: its safetensors header ${what}; copy it again`);
  const text = decode(header, complain);
  const keys = countKeys(text, complain);
  const parsed = parseObject(text, complain);
  const entries = Object.entries(parsed);
  if (entries.length !== keys) throw complain('names a tensor twice');
  const found: HeaderEntry[] = [];
  for (const [key, value] of entries) {
    if (key === METADATA) checkMetadata(value, complain);
    else found.push(entryOf(key, value, complain));
  }
  found.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name: tensor, begin, end } of found) {
    if (begin < at) throw complain(`puts ${tensor} at byte ${begin}, where another tensor has not ended`);
    if (begin > at) throw complain(`leaves a gap before ${tensor}: bytes ${at} to ${begin} are no tensor's`);
    at = end;
  }
  if (at > dataBytes)
    throw new BadData(
      `${name}: truncated: its tensors need ${at} bytes, but ${dataBytes} lie behind the header; copy it again`,
    );
  if (at < dataBytes) throw complain(`leaves the last ${dataBytes - at} bytes of the file to no tensor`);
  return found;
}

type Complain = (what: string) => BadData;

function decode(header: Uint8Array, complain: Complain): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch {
    throw complain('is not UTF-8 text');
  }
}

/**
 * Keys of the outermost object. JSON.parse would take the last of two equal ones in silence, and what is nested deeply
 * or has millions of parts would cost it all memory.
 */
function countKeys(text: string, complain: Complain): number {
  let depth = 0;
  let keys = 0;
  let tokens = 0;
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') isString = !isString;
    else if (isString && character === '\\') at++;
    if (isString || !'{}[],:"'.includes(character)) continue;
    if (++tokens > MAX_TOKENS) throw complain(`has more than ${MAX_TOKENS} parts`);
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === ':' && depth === 1) keys++;
    if (depth > MAX_DEPTH) throw complain('is nested more deeply than a header is');
    if (keys > MAX_TENSORS + 1) throw complain(`names more than ${MAX_TENSORS} tensors`);
  }
  return keys;
}

function parseObject(text: string, complain: Complain): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw complain('is not JSON');
  }
  if (!isObject(parsed)) throw complain('is not a JSON object');
  return parsed;
}

function checkMetadata(value: unknown, complain: Complain): void {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string'))
    throw complain(`has a ${METADATA} that is not made of texts`);
}

function entryOf(name: string, value: unknown, complain: Complain): HeaderEntry {
  if (name.length > MAX_NAME_CHARACTERS)
    throw complain(
      `has a name of ${name.length} characters (${name.slice(0, 20)}…), more than ${MAX_NAME_CHARACTERS}`,
    );
  const { dtype, shape, data_offsets: range } = isObject(value) ? (value as Record<string, unknown>) : {};
  if (typeof dtype !== 'string' || dtype.length > 20) throw complain(`gives ${name} no dtype`);
  if (!isCounts(shape) || shape.length > MAX_DIMENSIONS) throw complain(`gives ${name} no shape`);
  if (!isCounts(range) || range.length !== 2 || range[0]! > range[1]!)
    throw complain(`gives ${name} no range of bytes`);
  return { name, dtype, shape, begin: range[0]!, end: range[1]! };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}
