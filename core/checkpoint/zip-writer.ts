import { crc32 } from 'node:zlib';

/** torch aligns records so that they can be mapped into memory. @see torch `caffe2/serialize/inline_container.h` */
const ALIGNMENT = 64;
/** `FB`: the extra field that torch pads with. */
const PADDING_EXTRA = 0x4246;
const ZIP64_EXTRA = 0x0001;
/** From here on a number goes into a zip64 record. */
const ZIP64_FROM = 0xffffffff;
const MAX_SHORT_COUNT = 0xffff;
/** Names are UTF-8, and the checksum follows the data, so that a record can be written while it is computed. */
const FLAGS = 0x0808;
const VERSION = 20;
const VERSION_ZIP64 = 45;
/** 1 January 1980, the earliest date of the format: the same content gives the same bytes. */
const DOS_DATE = 0x0021;

interface WrittenEntry {
  name: Uint8Array;
  sizeBytes: number;
  crc: number;
  headerOffset: number;
}

/**
 * The pieces of a zip archive of uncompressed entries, to be written one after the other:
 * for each entry `begin`, its data (passed through `add`), `end`; at last `finish`.
 */
export interface ZipWriter {
  /** The entry's header, padded so that the data begins at a multiple of 64 bytes. */
  begin: (name: string, sizeBytes: number) => Uint8Array;
  /** Counts a piece of the entry's data in, and gives it back. */
  add: (data: Uint8Array) => Uint8Array;
  /** The checksum behind the entry's data. @throws RangeError if its size differs from the one given to `begin` */
  end: () => Uint8Array;
  /** The directory. */
  finish: () => Uint8Array;
}

/** @param zip64From sizes and offsets from here on are written in zip64 form; a test lowers it */
export function createZipWriter(zip64From = ZIP64_FROM): ZipWriter {
  const entries: WrittenEntry[] = [];
  let position = 0;
  let open: (WrittenEntry & { left: number }) | undefined;

  const isWide = (value: number) => value >= zip64From;
  const advance = (bytes: Uint8Array) => {
    position += bytes.length;
    return bytes;
  };
  return {
    begin: (name, sizeBytes) => {
      open = {
        name: new TextEncoder().encode(name),
        sizeBytes,
        crc: 0,
        headerOffset: position,
        left: sizeBytes,
      };
      return advance(localHeader(open, isWide(sizeBytes)));
    },
    add: (data) => {
      if (open !== undefined) {
        open.crc = crc32(data, open.crc);
        open.left -= data.length;
      }
      return advance(data);
    },
    end: () => {
      if (open?.left !== 0)
        throw new RangeError('a zip entry was ended that was not begun, or with another size');
      const entry = open;
      entries.push(entry);
      open = undefined;
      return advance(dataDescriptor(entry, isWide(entry.sizeBytes)));
    },
    finish: () => {
      const offset = position;
      const records = entries.map((entry) => directoryRecord(entry, isWide));
      const size = records.reduce((sum, record) => sum + record.length, 0);
      const count = entries.length;
      const wide = isWide(offset + size) || count >= MAX_SHORT_COUNT;
      return advance(Buffer.concat([...records, endRecords(count, size, offset, wide)]));
    },
  };
}

function localHeader(entry: WrittenEntry, wide: boolean): Uint8Array {
  const zip64Bytes = wide ? 20 : 0;
  const unpadded = entry.headerOffset + 30 + entry.name.length + zip64Bytes + 4;
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(30 + entry.name.length + zip64Bytes + 4 + padding, 'Z');
  header.fill(0, 0, 30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 4);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(DOS_DATE, 12);
  // Checksum and sizes stay 0 here: they follow the data.
  header.writeUInt16LE(entry.name.length, 26);
  header.writeUInt16LE(zip64Bytes + 4 + padding, 28);
  header.set(entry.name, 30);
  let at = 30 + entry.name.length;
  if (wide) {
    header.writeUInt32LE(ZIP64_FROM, 18);
    header.writeUInt32LE(ZIP64_FROM, 22);
    header.writeUInt16LE(ZIP64_EXTRA, at);
    header.writeUInt16LE(16, at + 2);
    header.fill(0, at + 4, at + 20);
    at += 20;
  }
  header.writeUInt16LE(PADDING_EXTRA, at);
  header.writeUInt16LE(padding, at + 2);
  return header;
}

function dataDescriptor(entry: WrittenEntry, wide: boolean): Uint8Array {
  const descriptor = Buffer.alloc(wide ? 24 : 16);
  descriptor.writeUInt32LE(0x08074b50, 0);
  descriptor.writeUInt32LE(entry.crc, 4);
  if (wide) {
    descriptor.writeBigUInt64LE(BigInt(entry.sizeBytes), 8);
    descriptor.writeBigUInt64LE(BigInt(entry.sizeBytes), 16);
  } else {
    descriptor.writeUInt32LE(entry.sizeBytes, 8);
    descriptor.writeUInt32LE(entry.sizeBytes, 12);
  }
  return descriptor;
}

function directoryRecord(entry: WrittenEntry, isWide: (value: number) => boolean): Uint8Array {
  const wideSize = isWide(entry.sizeBytes);
  const wideOffset = isWide(entry.headerOffset);
  const numbers = [
    ...(wideSize ? [entry.sizeBytes, entry.sizeBytes] : []),
    ...(wideOffset ? [entry.headerOffset] : []),
  ];
  const extraBytes = numbers.length === 0 ? 0 : 4 + 8 * numbers.length;
  const record = Buffer.alloc(46 + entry.name.length + extraBytes);
  const version = numbers.length === 0 ? VERSION : VERSION_ZIP64;
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(version, 4);
  record.writeUInt16LE(version, 6);
  record.writeUInt16LE(FLAGS, 8);
  record.writeUInt16LE(DOS_DATE, 14);
  record.writeUInt32LE(entry.crc, 16);
  record.writeUInt32LE(wideSize ? ZIP64_FROM : entry.sizeBytes, 20);
  record.writeUInt32LE(wideSize ? ZIP64_FROM : entry.sizeBytes, 24);
  record.writeUInt16LE(entry.name.length, 28);
  record.writeUInt16LE(extraBytes, 30);
  record.writeUInt32LE(wideOffset ? ZIP64_FROM : entry.headerOffset, 42);
  record.set(entry.name, 46);
  if (extraBytes > 0) {
    const at = 46 + entry.name.length;
    record.writeUInt16LE(ZIP64_EXTRA, at);
    record.writeUInt16LE(extraBytes - 4, at + 2);
    for (const [index, number] of numbers.entries()) {
      record.writeBigUInt64LE(BigInt(number), at + 4 + 8 * index);
    }
  }
  return record;
}

function endRecords(count: number, size: number, offset: number, wide: boolean): Uint8Array {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  const shortCount = wide ? MAX_SHORT_COUNT : count;
  end.writeUInt16LE(shortCount, 8);
  end.writeUInt16LE(shortCount, 10);
  end.writeUInt32LE(wide ? ZIP64_FROM : size, 12);
  end.writeUInt32LE(wide ? ZIP64_FROM : offset, 16);
  if (!wide) return end;

  const wideEnd = Buffer.alloc(56);
  wideEnd.writeUInt32LE(0x06064b50, 0);
  wideEnd.writeBigUInt64LE(44n, 4);
  wideEnd.writeUInt16LE(VERSION_ZIP64, 12);
  wideEnd.writeUInt16LE(VERSION_ZIP64, 14);
  wideEnd.writeBigUInt64LE(BigInt(count), 24);
  wideEnd.writeBigUInt64LE(BigInt(count), 32);
  wideEnd.writeBigUInt64LE(BigInt(size), 40);
  wideEnd.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([wideEnd, locator, end]);
}
