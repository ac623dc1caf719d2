import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const Credentials = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });

const StackRecord = z.object({
  /** The process that holds the stack. */
  pid: z.number().int(),
  /** What ends the servers when that process is gone. */
  serverPids: z.array(z.number().int()),
  temporalAddress: z.string(),
  temporalUiUrl: z.string(),
  s3Endpoint: z.string(),
  region: z.string(),
  bucket: z.string(),
});

/** What `stack.json` says while a stack runs. Without the credentials, which have a file of their own. */
export type StackRecord = z.infer<typeof StackRecord>;

export async function readStackRecord(stateDir: string): Promise<StackRecord | undefined> {
  return readJson(recordFile(stateDir), StackRecord);
}

export async function writeStackRecord(stateDir: string, record: StackRecord): Promise<void> {
  await writeJson(recordFile(stateDir), record);
}

export async function removeStackRecord(stateDir: string): Promise<void> {
  await rm(recordFile(stateDir), { force: true });
}

/** The credentials of a state folder: random, and the same for as long as the folder lives. */
export async function readOrMakeCredentials(stateDir: string): Promise<z.infer<typeof Credentials>> {
  const known = await readCredentials(stateDir);
  if (known) return known;
  const made = {
    accessKeyId: `TESSERA${randomBytes(6).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(24).toString('base64url'),
  };
  await writeJson(credentialsFile(stateDir), made);
  return made;
}

export async function readCredentials(stateDir: string): Promise<z.infer<typeof Credentials> | undefined> {
  return readJson(credentialsFile(stateDir), Credentials);
}

const recordFile = (stateDir: string) => join(stateDir, 'stack.json');
const credentialsFile = (stateDir: string) => join(stateDir, 'credentials.json');

/** A file that is missing or makes no sense gives undefined: state may be deleted, or left by another version. */
async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Whole or not at all, and readable by its owner only. */
async function writeJson(file: string, value: unknown): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}
