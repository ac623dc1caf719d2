import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import pLimit from 'p-limit';
import type { Copied } from '../../core/config/command-output.ts';
import { BadInput } from '../../core/config/failures.ts';
import { terminal } from '../terminal.ts';
import { findRun } from './find-run.ts';
import type { RunFiles } from './run-files.ts';

export interface GetOptions {
  json?: true;
}

interface RunObject {
  name: string;
  sizeBytes: number;
}

/** Read at once: a checkpoint may be larger than memory. */
const PART_BYTES = 32 << 20;
const AT_ONCE = 8;
/** Names that a message lists before it only counts. */
const NAMES_SHOWN = 5;

/**
 * Copies all objects of a run to a folder. Safe to repeat: what is there already is compared, what was cut off is
 * continued, and nothing of other content is overwritten.
 */
export async function getRun(name: string, folder: string, { json }: GetOptions): Promise<void> {
  const run = await findRun(name);
  const objects = await run.files.list();
  if (objects.length === 0)
    throw new BadInput(`${name}: ${run.state ?? 'no objects'} (${run.files.folder} is empty)`);
  const target = path.resolve(folder);
  const fileOf = ({ name: object }: RunObject) => within(target, object);
  const screen = terminal();
  const limit = pLimit(AT_ONCE);
  const total = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

  screen.step(`comparing with what is in ${folder}`);
  const isThere = await Promise.all(
    objects.map((object) => limit(() => compareWith(run.files, object, fileOf(object)))),
  );
  const other = objects.filter((_, i) => isThere[i] === 'differs').map((object) => object.name);
  if (other.length > 0) {
    const more = other.length > NAMES_SHOWN ? ` and ${other.length - NAMES_SHOWN} more` : '';
    throw new BadInput(
      `${folder}: ${other.slice(0, NAMES_SHOWN).join(', ')}${more} there has other content. Nothing was overwritten: choose another folder`,
    );
  }
  const missing = objects.filter((_, i) => isThere[i] === 'absent');
  let done = 0;
  await Promise.all(
    missing.map((object) =>
      limit(async () => {
        await download(run.files, object, fileOf(object));
        done += 1;
        screen.step(`${done}/${missing.length} files`);
      }),
    ),
  );
  screen.done(
    `${missing.length} of ${objects.length} files were new; ${(total / 1e6).toFixed(1)} MB in ${folder}`,
  );
  const copied: Copied = {
    from: run.files.folder,
    folder: target,
    files: objects.length,
    new: missing.length,
    sizeBytes: total,
  };
  console.log(json ? JSON.stringify(copied, null, 2) : target);
}

/** @throws BadInput for a name that would leave the folder */
function within(folder: string, name: string): string {
  const file = path.resolve(folder, name);
  if (!file.startsWith(folder + path.sep))
    throw new BadInput(`${name}: an object's name that leaves ${folder}`);
  return file;
}

async function compareWith(files: RunFiles, { name, sizeBytes }: RunObject, file: string) {
  const found = await stat(file).catch(() => null);
  if (!found) return 'absent';
  if (!found.isFile() || found.size !== sizeBytes) return 'differs';
  // An ETag is most often the MD5: then nothing is read over the network.
  if ((await files.identity(name)) === (await digestOf('md5', createReadStream(file)))) return 'same';
  const [theirs, ours] = await Promise.all([
    digestOf('sha256', parts(files, name, sizeBytes)),
    digestOf('sha256', createReadStream(file)),
  ]);
  return theirs === ours ? 'same' : 'differs';
}

/** Into a file beside it first, which a repetition continues: its name says what content it is of. */
async function download(files: RunFiles, { name, sizeBytes }: RunObject, file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const identity = createHash('sha256')
    .update(await files.identity(name))
    .digest('hex');
  const part = `${file}.${identity.slice(0, 12)}.part`;
  await append(part, files, { name, sizeBytes });
  await rename(part, file);
}

async function append(part: string, files: RunFiles, { name, sizeBytes }: RunObject): Promise<void> {
  await using handle = await open(part, 'a');
  const { size } = await handle.stat();
  if (size > sizeBytes) await handle.truncate(0);
  const from = size > sizeBytes ? 0 : size;
  for await (const bytes of parts(files, name, sizeBytes, from)) await handle.appendFile(bytes);
}

async function* parts(files: RunFiles, name: string, sizeBytes: number, from = 0): AsyncGenerator<Buffer> {
  for (let offset = from; offset < sizeBytes; offset += PART_BYTES)
    yield await files.read(name, { offset, length: Math.min(PART_BYTES, sizeBytes - offset) });
}

async function digestOf(algorithm: 'md5' | 'sha256', chunks: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
