import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { BadData } from '../config/failures.ts';

/** A field of a protobuf message: an integer, or the bytes of a text, of a message within or of packed numbers. */
export interface Field {
  number: number;
  value: bigint | Uint8Array;
}

/** How many fields may still be read, of all messages together: a file of two-byte messages would fill the memory. */
export interface FieldBudget {
  left: number;
}

/** Names, paths and keys are far shorter. */
const MAX_TEXT_BYTES = 4096;

/**
 * The fields of a protobuf message, one after the other, without making an object of each message: bytes are views, so
 * what nobody asks for costs nothing. Floats, which no reader of models needs, are left out.
 *
 * @throws BadData if the bytes are no message, or the budget is spent
 */
export function* fieldsOf(bytes: Uint8Array, budget: FieldBudget): Generator<Field> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    budget.left -= 1;
    if (budget.left < 0) throw new BadData('more fields than any model has');
    const field = nextField(reader);
    if (field) yield field;
  }
}

function nextField(reader: BinaryReader): Field | null {
  try {
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) return { number, value: BigInt(reader.int64()) };
    if (wire === WireType.LengthDelimited) return { number, value: reader.bytes() };
    reader.skip(wire, number, 1);
    return null;
  } catch (error) {
    throw new BadData(`damaged: ${error instanceof Error ? error.message : error}`);
  }
}

/** A field's integer. @throws BadData if it is none that is exact */
export function integerOf({ number, value }: Field): number {
  const integer = Number(value);
  if (typeof value !== 'bigint' || !Number.isSafeInteger(integer))
    throw new BadData(`damaged: field ${number} should be an integer`);
  return integer;
}

/** A field's bytes. @throws BadData if it is an integer */
export function bytesOf({ number, value }: Field): Uint8Array {
  if (typeof value === 'bigint') throw new BadData(`damaged: field ${number} should not be an integer`);
  return value;
}

/** A field's text. @throws BadData if it isn't UTF-8, or too long for a name */
export function textOf(field: Field): string {
  const bytes = bytesOf(field);
  if (bytes.length > MAX_TEXT_BYTES) throw new BadData(`a name of ${bytes.length} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BadData(`damaged: field ${field.number} is no text`);
  }
}
