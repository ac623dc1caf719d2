import { BadData } from '../config/failures.ts';
import { type RangedFile, readExactly } from './read-exactly.ts';

/**
 * Limits for hostile or damaged archives, far above what torch writes:
 * a model has one entry a tensor, and a directory record of about 100 bytes for each.
 */
const MAX_ENTRIES = 200_000;
/** The directory is read in one piece, so its size is memory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
/** Names are paths like `archive/data/123`; zip itself would allow 65,535 bytes. */
const MAX_NAME_BYTES = 4096;

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END = 0x06064b50;
const ZIP64_END_BYTES = 56;
const DIRECTORY_RECORD = 0x02014b50;
const DIRECTORY_RECORD_BYTES = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const ZIP64_EXTRA = 0x0001;
/** A 32-bit field with this value has its number in the zip64 extra field. */
const IN_EXTRA = 0xffffffff;
const ENCRYPTED = 1;

export interface ZipEntry {
  name: string;
  /** 0 is stored, 8 is deflate. */
  method: number;
  encrypted: boolean;
  sizeBytes: number;
  storedBytes: number;
  headerOffset: number;
}

export interface ZipDirectory {
  entries: Map<string, ZipEntry>;
  /** Where the directory begins: no entry reaches beyond. */
  offset: number;
}

interface Extent {
  count: number;
  size: number;
  offset: number;
}

/**
 * Reads the central directory of a zip archive, with or without zip64 records.
 *
 * @throws BadData if the archive is truncated, contradicts itself or exceeds a limit
 * @see PKWARE APPNOTE 6.3.10, sections 4.3.12 to 4.3.16
 */
export async function readZipDirectory(file: RangedFile): Promise<ZipDirectory> {
  const extent = await findDirectory(file);
  if (extent.count > MAX_ENTRIES || extent.size > MAX_DIRECTORY_BYTES) {
    throw new BadData(
      `${file.name}: the zip directory says ${extent.count} entries in ${extent.size} bytes, ` +
        `more than the limits of ${MAX_ENTRIES} and ${MAX_DIRECTORY_BYTES}`,
    );
  }
  const bytes = await readExactly(file, extent.offset, extent.size, 'the zip directory');
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let index = 0; index < extent.count; index++) {
    const { entry, next } = parseRecord(file.name, bytes, at, index);
    if (entries.has(entry.name)) throw new BadData(`${file.name}: two zip entries are named ${entry.name}`);
    entries.set(entry.name, entry);
    at = next;
  }
  return { entries, offset: extent.offset };
}

/**
 * Absolute offset of an entry's bytes, which lie there uncompressed.
 * Only the local header has it: its extra field differs from the directory's (torch pads there to 64 bytes).
 *
 * @throws BadData if the entry is compressed, encrypted or reaches into the directory
 */
export async function storedDataOffset(
  file: RangedFile,
  directory: ZipDirectory,
  entry: ZipEntry,
): Promise<number> {
  if (entry.method !== 0 || entry.storedBytes !== entry.sizeBytes) {
    const how = entry.method === 8 ? 'deflate' : `method ${entry.method}`;
    throw new BadData(
      `${file.name}: zip entry ${entry.name} is compressed (${how}), but tensors are read by byte range; ` +
        'load and save it again with torch.save, which stores entries uncompressed',
    );
  }
  if (entry.encrypted) throw new BadData(`${file.name}: zip entry ${entry.name} is encrypted`);
  const what = `the header of zip entry ${entry.name}`;
  const header = viewOf(await readExactly(file, entry.headerOffset, LOCAL_HEADER_BYTES, what));
  if (header.getUint32(0, true) !== LOCAL_HEADER) {
    throw new BadData(`${file.name}: ${what} is not at byte ${entry.headerOffset}, where the directory says`);
  }
  const offset =
    entry.headerOffset + LOCAL_HEADER_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  if (offset + entry.sizeBytes > directory.offset) {
    throw new BadData(`${file.name}: zip entry ${entry.name} reaches into the directory behind it`);
  }
  return offset;
}

async function findDirectory(file: RangedFile): Promise<Extent> {
  const tailBytes = Math.min(
    file.sizeBytes,
    END_BYTES + MAX_COMMENT_BYTES + ZIP64_LOCATOR_BYTES + ZIP64_END_BYTES,
  );
  const tailOffset = file.sizeBytes - tailBytes;
  const tail = viewOf(await readExactly(file, tailOffset, tailBytes, 'the end of the zip archive'));
  const end = findEnd(tail);
  if (end === undefined) {
    throw new BadData(
      `${file.name}: truncated: it begins as a zip archive but has no directory at its end ` +
        `(${file.sizeBytes} bytes); copy it again`,
    );
  }
  let extent: Extent = {
    count: tail.getUint16(end + 10, true),
    size: tail.getUint32(end + 12, true),
    offset: tail.getUint32(end + 16, true),
  };
  // Where zip64 records exist they hold, even if the old fields could have held the numbers.
  const locator = end - ZIP64_LOCATOR_BYTES;
  if (locator >= 0 && tail.getUint32(locator, true) === ZIP64_LOCATOR) {
    extent = await readZip64End(file, uint64(file.name, tail, locator + 8));
  }
  if (extent.offset + extent.size > tailOffset + end) {
    throw new BadData(
      `${file.name}: truncated or damaged: the zip directory should end at byte ${extent.offset + extent.size}, ` +
        `but its end record lies at byte ${tailOffset + end}`,
    );
  }
  return extent;
}

/** The end record is the last one whose comment fills the rest of the file. */
function findEnd(tail: DataView): number | undefined {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    if (at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength) return at;
  }
  return undefined;
}

async function readZip64End(file: RangedFile, offset: number): Promise<Extent> {
  const end = viewOf(await readExactly(file, offset, ZIP64_END_BYTES, 'the zip64 end record'));
  if (end.getUint32(0, true) !== ZIP64_END) {
    throw new BadData(`${file.name}: the zip64 end record is not at byte ${offset}, where its locator says`);
  }
  return {
    count: uint64(file.name, end, 32),
    size: uint64(file.name, end, 40),
    offset: uint64(file.name, end, 48),
  };
}

function parseRecord(
  fileName: string,
  bytes: Uint8Array,
  at: number,
  index: number,
): { entry: ZipEntry; next: number } {
  const damaged = () => new BadData(`${fileName}: record ${index} of the zip directory is damaged`);
  const view = viewOf(bytes);
  if (at + DIRECTORY_RECORD_BYTES > bytes.length || view.getUint32(at, true) !== DIRECTORY_RECORD)
    throw damaged();
  const nameBytes = view.getUint16(at + 28, true);
  const extraBytes = view.getUint16(at + 30, true);
  const nameAt = at + DIRECTORY_RECORD_BYTES;
  const extraAt = nameAt + nameBytes;
  const next = extraAt + extraBytes + view.getUint16(at + 32, true);
  if (next > bytes.length || nameBytes > MAX_NAME_BYTES) throw damaged();

  const wide = zip64Numbers(fileName, view, extraAt, extraAt + extraBytes);
  // The extra field holds only the numbers that did not fit, in this order.
  const number = (fieldAt: number): number => {
    const value = view.getUint32(fieldAt, true);
    if (value !== IN_EXTRA) return value;
    const inExtra = wide.shift();
    if (inExtra === undefined) throw damaged();
    return inExtra;
  };
  const sizeBytes = number(at + 24);
  const storedBytes = number(at + 20);
  const headerOffset = number(at + 42);
  const entry: ZipEntry = {
    name: new TextDecoder().decode(bytes.subarray(nameAt, extraAt)),
    method: view.getUint16(at + 10, true),
    encrypted: (view.getUint16(at + 8, true) & ENCRYPTED) !== 0,
    sizeBytes,
    storedBytes,
    headerOffset,
  };
  return { entry, next };
}

function zip64Numbers(fileName: string, view: DataView, from: number, to: number): number[] {
  for (let at = from; at + 4 <= to; ) {
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > to) break;
    if (id === ZIP64_EXTRA) {
      // At most three 8-byte numbers; a fourth field, the disk number, has 4 bytes.
      const numbers: number[] = [];
      for (let field = at + 4; field + 8 <= end && numbers.length < 3; field += 8) {
        numbers.push(uint64(fileName, view, field));
      }
      return numbers;
    }
    at = end;
  }
  return [];
}

function uint64(fileName: string, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new BadData(`${fileName}: a zip64 field says ${value}, more than any file has`);
  }
  return Number(value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
