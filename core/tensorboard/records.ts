import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { EventSchema } from './event_pb.ts';

/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78;
const MASK_DELTA = 0xa282ead8;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/**
 * An event file as TensorBoard reads it: TFRecords (length, its checksum, an Event, its checksum), the first of which
 * says the format's version.
 *
 * @see tensorflow `core/lib/io/record_writer.cc`, `core/util/events_writer.cc`
 */
export function eventFile(firstSeconds: number, events: MessageInitShape<typeof EventSchema>[]): Uint8Array {
  const version = { wallTime: firstSeconds, what: { case: 'fileVersion', value: 'brain.Event:2' } } as const;
  const records = [version, ...events].map((event) =>
    record(toBinary(EventSchema, create(EventSchema, event))),
  );
  const file = new Uint8Array(records.reduce((bytes, { length }) => bytes + length, 0));
  let offset = 0;
  for (const one of records) {
    file.set(one, offset);
    offset += one.length;
  }
  return file;
}

function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return bytes;
}

/** Masked, since checksums of data that contains checksums are weak. */
function maskedCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
