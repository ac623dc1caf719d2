import { promisify } from 'node:util';
import { constants, crc32, inflateRaw } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { BadData, BadInput } from '../../core/config/failures.ts';
import type { DatasetSource } from './dataset-source.ts';

/** ADE20K has 44,000 entries, and a run takes at most 50,000 images. */
const MAX_ENTRIES = 500_000;
/** Of one unpacked file: it is held in memory, several at once. Far above any photograph. */
const MAX_FILE_BYTES = 128 << 20;
/** Images and PNGs are compressed already and hardly shrink in a zip: one that does by so much is a bomb. */
const MAX_EXPANSION = 200;
/** Compression methods of a zip. */
const STORED = 0;
const DEFLATED = 8;
/** macOS puts a second, tiny file for each file there. */
const NOT_DATA = '__MACOSX/';

const inflate = promisify(inflateRaw);

/**
 * Opens a zip, such as ADEChallengeData2016.zip as it is downloaded. Entries are read from where they lie, each once
 * and checked by its checksum; nothing is unpacked to disk.
 *
 * @param folder of the layout, `images/val2017`: lies at the top, or below any one top folder; or its last parts do
 *   (`val2017`), as in zips that are meant to be unpacked into a folder of one's own
 * @throws BadData if the zip is damaged, or made to do harm: names that lead out of it, overlapping entries, entries
 *   of more bytes than they say; BadInput if it isn't in the layout
 */
export async function openZipSource(file: string, folder: string): Promise<DatasetSource> {
  const zip = await openPromise(file, { autoClose: false }).catch((error) => {
    throw new BadData(`${file}: not a zip that can be read: ${messageOf(error)}`);
  });
  try {
    const entries = await readDirectory(file, zip);
    const place = findPlace(file, entries, folder);
    const inZip = (key: string) =>
      place.root + (key.startsWith(place.above) ? key.slice(place.above.length) : key);
    return {
      nameOf: (key) => `${file}: ${inZip(key)}`,
      list: async (folder) => {
        const prefix = `${inZip(folder)}/`;
        const inside = [...entries.keys()].filter((name) => name.startsWith(prefix));
        return inside.length > 0 ? inside.map((name) => name.slice(prefix.length)) : null;
      },
      read: async (key, firstBytes) => {
        const entry = entries.get(inZip(key));
        if (!entry) return null;
        const isHead = firstBytes !== undefined && entry.compressedSize > firstBytes;
        return isHead ? readHead(file, zip, entry, firstBytes) : readEntry(file, zip, entry);
      },
      async [Symbol.asyncDispose]() {
        zip.close();
      },
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** Files by their names; folders, which have no data, are left out. */
async function readDirectory(file: string, zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES)
    throw new BadData(
      `${file}: the zip says that it has ${zip.entryCount} entries, at most ${MAX_ENTRIES} are read`,
    );
  const entries = new Map<string, Entry>();
  let packedBytes = 0;
  let unpackedBytes = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      const { fileName } = entry;
      packedBytes += entry.compressedSize;
      unpackedBytes += entry.uncompressedSize;
      if (fileName.endsWith('/') || fileName.startsWith(NOT_DATA)) continue;
      if (entries.has(fileName)) throw new BadData(`${file}: two entries of the zip are named ${fileName}`);
      entries.set(fileName, entry);
    }
  } catch (error) {
    if (error instanceof BadData) throw error;
    throw new BadData(`${file}: the zip's directory is damaged or hostile: ${messageOf(error)}`);
  }
  if (packedBytes > zip.fileSize)
    throw new BadData(`${file}: entries of ${packedBytes} bytes in a zip of ${zip.fileSize}: they overlap`);
  if (unpackedBytes > MAX_EXPANSION * zip.fileSize)
    throw new BadData(
      `${file}: ${zip.fileSize} bytes say that they unpack to ${unpackedBytes}, more than ${MAX_EXPANSION} times as many`,
    );
  return entries;
}

/** Where the layout lies in a zip. */
interface Place {
  /** What stands before its keys: nothing, or the name of the one top folder with a slash. */
  root: string;
  /** What its keys begin with that the zip's names don't: nothing, or `images/`. */
  above: string;
}

function findPlace(file: string, entries: Map<string, Entry>, folder: string): Place {
  const names = [...entries.keys()];
  const parts = folder.split('/');
  const isThere = names.some((name) => `/${name}`.includes(`/${folder}/`));
  for (let i = 1; i < parts.length && !isThere; i++) {
    const last = `${parts.slice(i).join('/')}/`;
    if (names.some((name) => name.startsWith(last)))
      return { root: '', above: `${parts.slice(0, i).join('/')}/` };
  }
  return { root: findRoot(file, entries, folder), above: '' };
}

function findRoot(file: string, entries: Map<string, Entry>, imageDir: string): string {
  const roots = new Set<string>();
  for (const name of entries.keys()) {
    const top = name.slice(0, name.indexOf('/') + 1);
    for (const root of ['', top]) if (name.startsWith(`${root}${imageDir}/`)) roots.add(root);
  }
  const [root, other] = [...roots].sort();
  if (root === undefined)
    throw new BadInput(
      `${file}: no ${imageDir}/ in it, neither at the top nor in a top folder; see --layout`,
    );
  if (other !== undefined)
    throw new BadInput(
      `${file}: two datasets in it: ${root}${imageDir}/ and ${other}${imageDir}/; leave one`,
    );
  return root;
}

/** What the first bytes of an entry unpack to. A stream that is left early would not do: yauzl crashes by it. */
async function readHead(file: string, zip: ZipFile, entry: Entry, packedBytes: number): Promise<Buffer> {
  const isPlain = entry.compressionMethod === STORED || entry.compressionMethod === DEFLATED;
  if (!isPlain || entry.isEncrypted()) return readEntry(file, zip, entry);
  try {
    const packed = await zip.openReadStreamPromise(entry, {
      decodeFileData: false,
      start: 0,
      end: packedBytes,
    });
    const bytes = Buffer.concat(await packed.toArray());
    if (entry.compressionMethod === STORED) return bytes;
    // Not an error where the bytes end in the middle of a block.
    return await inflate(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_FILE_BYTES });
  } catch (error) {
    throw new BadData(`${file}: ${entry.fileName}: cannot be unpacked: ${messageOf(error)}`);
  }
}

async function readEntry(file: string, zip: ZipFile, entry: Entry): Promise<Buffer> {
  const name = `${file}: ${entry.fileName}`;
  if (entry.uncompressedSize > MAX_FILE_BYTES)
    throw new BadData(
      `${name}: says that it has ${entry.uncompressedSize} bytes; at most ${MAX_FILE_BYTES} are read`,
    );
  const chunks: Buffer[] = [];
  try {
    // The stream itself ends with an error once there is more than the entry says.
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk);
  } catch (error) {
    throw new BadData(`${name}: cannot be unpacked: ${messageOf(error)}`);
  }
  const bytes = Buffer.concat(chunks);
  if (crc32(bytes) !== entry.crc32)
    throw new BadData(`${name}: damaged: its checksum differs; download the zip again`);
  return bytes;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
