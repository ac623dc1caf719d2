import { BadData, BadInput } from '../config/failures.ts';
import { type ConfusionMatrix, cellName, emptyMatrix } from './confusion-matrix.ts';

/**
 * A confusion matrix as text for Temporal's history, and as bytes for confusion_matrix.bin.
 *
 * Text: the number of classes, then for every entry that isn't zero the gap since the last one
 * (0: they are neighbours) and its count. Each number is a base-64 VLQ as in source maps, without
 * a sign: five bits a character, least significant first, the sixth says that more follow.
 * Workflows decode it, and their sandbox has neither zlib nor Buffer: hence plain arithmetic. A
 * deflate is not missed either: a shard of ADE20K touches 200 to 1500 entries, 5 characters each.
 * The worst case, 150 × 150 entries of up to 2^30 pixels, takes 157 503 characters; of 847 classes, which are evaluated
 * sparsely as well, it would pass Temporal's limit of a payload: see MAX_ENCODED.
 */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGIT_VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

/** Temporal takes payloads of up to 2 MB: a matrix that is longer as text is refused where it is made. */
const MAX_ENCODED = 1_500_000;

/** Eleven digits carry 55 bits: enough for 2^53, so a longer number is damage. */
const MAX_DIGITS = 11;
const BYTES_PER_COUNT = 8;
/** Held here since a workflow's sandbox looks a global up slowly. */
const { isSafeInteger } = Number;

/** @returns the matrix as ASCII text, the same for equal matrices */
export function encodeMatrix(matrix: ConfusionMatrix): string {
  const text = [encodeNumber(matrix.classes)];
  let next = 0;
  for (let i = 0; i < matrix.counts.length; i++) {
    const count = matrix.counts[i]!;
    if (count === 0) continue;
    checkCount(matrix, i, count);
    text.push(encodeNumber(i - next), encodeNumber(count));
    next = i + 1;
  }
  return text.join('');
}

/**
 * A matrix as `encodeMatrix` writes it, for a payload of Temporal's.
 *
 * @param of whose matrix it is, and what to do if it is too large, for messages
 * @throws BadInput if Temporal would refuse it, as it may of very many classes
 */
export function encodePayload(matrix: ConfusionMatrix, of: { name: string; remedy: string }): string {
  const text = encodeMatrix(matrix);
  if (text.length <= MAX_ENCODED) return text;
  throw new BadInput(
    `the confusion matrix of ${of.name}, ${matrix.classes} classes, takes ${text.length} characters; ` +
      `Temporal takes ${MAX_ENCODED}: ${of.remedy}`,
  );
}

/** Reads what `encodeMatrix` wrote. @throws BadData if the text is anything else */
export function decodeMatrix(text: string): ConfusionMatrix {
  const reader = { text, at: 0 };
  const matrix = emptyMatrix(readNumber(reader));
  let next = 0;
  while (reader.at < text.length) {
    const index = next + readNumber(reader);
    const count = readNumber(reader);
    if (index >= matrix.counts.length) throw new BadData('encoded matrix: more entries than the matrix has');
    checkCount(matrix, index, count);
    if (count === 0)
      throw new BadData(`encoded matrix: ${cellName(matrix, index)} is a zero, which is not written`);
    matrix.counts[index] = count;
    next = index + 1;
  }
  return matrix;
}

/** @returns int64, little-endian, C order `[classes, classes]`, rows: label: what confusion_matrix.bin holds */
export function matrixToBytes(matrix: ConfusionMatrix): Uint8Array {
  const bytes = new Uint8Array(matrix.counts.length * BYTES_PER_COUNT);
  const view = new DataView(bytes.buffer);
  matrix.counts.forEach((count, i) => {
    checkCount(matrix, i, count);
    view.setBigInt64(i * BYTES_PER_COUNT, BigInt(count), true);
  });
  return bytes;
}

/** Reads what `matrixToBytes` wrote. @throws BadData if the size is not that of a matrix, or a count is negative */
export function matrixFromBytes(bytes: Uint8Array): ConfusionMatrix {
  const classes = Math.sqrt(bytes.length / BYTES_PER_COUNT);
  const matrix = emptyMatrix(classes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < matrix.counts.length; i++) {
    const count = Number(view.getBigInt64(i * BYTES_PER_COUNT, true));
    checkCount(matrix, i, count);
    matrix.counts[i] = count;
  }
  return matrix;
}

function encodeNumber(value: number): string {
  let text = '';
  let rest = value;
  // Division and not a shift: counts may pass 32 bits.
  while (rest >= 32) {
    text += DIGITS[32 + (rest % 32)];
    rest = Math.floor(rest / 32);
  }
  return text + DIGITS[rest];
}

function readNumber(reader: { text: string; at: number }): number {
  let value = 0;
  let weight = 1;
  for (let i = 0; i < MAX_DIGITS; i++) {
    const digit = DIGIT_VALUES.get(reader.text[reader.at] ?? '');
    if (digit === undefined) {
      throw new BadData(`encoded matrix: no digit at character ${reader.at} of ${reader.text.length}`);
    }
    reader.at += 1;
    value += (digit % 32) * weight;
    if (digit < 32) return value;
    weight *= 32;
  }
  throw new BadData(`encoded matrix: a number of more than ${MAX_DIGITS} digits at character ${reader.at}`);
}

function checkCount(matrix: ConfusionMatrix, index: number, count: number): void {
  if (!isSafeInteger(count) || count < 0) {
    throw new BadData(
      `confusion matrix: ${cellName(matrix, index)} is ${count}, should be a count of pixels`,
    );
  }
}
