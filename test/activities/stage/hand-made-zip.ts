import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipPart {
  name: string;
  data: Uint8Array;
  deflated?: boolean;
  /** What the zip says of the data, where that isn't so. */
  declaredBytes?: number;
  declaredPackedBytes?: number;
  declaredCrc?: number;
  flags?: number;
  method?: number;
}

/** A zip archive by hand: entries stored or deflated, and lies told about them. */
export function zipOf(parts: ZipPart[]): Buffer {
  const files: Buffer[] = [];
  const records: Buffer[] = [];
  let at = 0;
  for (const part of parts) {
    const name = Buffer.from(part.name);
    const packed = part.deflated ? deflateRawSync(part.data) : Buffer.from(part.data);
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20, 0);
    header.writeUInt16LE(0x800 | (part.flags ?? 0), 2); // names are UTF-8
    header.writeUInt16LE(part.method ?? (part.deflated ? 8 : 0), 4);
    header.writeUInt32LE(part.declaredCrc ?? crc32(part.data), 10);
    header.writeUInt32LE(part.declaredPackedBytes ?? packed.length, 14);
    header.writeUInt32LE(part.declaredBytes ?? part.data.length, 18);
    header.writeUInt16LE(name.length, 22);
    const file = Buffer.concat([signature(0x04034b50), header, name, packed]);

    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    records.push(Buffer.concat([signature(0x02014b50), Buffer.from([20, 0]), header, place, name]));
    files.push(file);
    at += file.length;
  }
  const directory = Buffer.concat(records);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(parts.length, 4);
  end.writeUInt16LE(parts.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...files, directory, signature(0x06054b50), end]);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
