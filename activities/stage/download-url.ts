import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { BadInput, Unavailable } from '../../core/config/failures.ts';
import { isUnknownHost } from '../../core/network-failure.ts';
import { isDiskFull } from '../disk-room.ts';
import { lostConnection, persistently, probe, type Remote, remoteOf, request } from '../http-remote.ts';
import { bytesAtHand, partialFile } from './partial-file.ts';

/** So many new bytes show that a line works, however often it breaks. */
const PROGRESS_BYTES = 16 << 20;

interface WhatToDownload {
  url: URL;
  /** The URL without its query. */
  name: string;
  /** As probed. */
  remote: Remote;
  scratchFolder: string;
}

interface DownloadHooks {
  signal: AbortSignal;
  onBytes(bytes: number): void;
  backoffMs?: number;
}

/**
 * Downloads into a partial file, and resumes there after a lost connection or a kill, if the server serves ranges of
 * the very same file; else it begins anew.
 *
 * @returns the whole file, and what the server said of it in the end
 * @throws as `probe`, and Unavailable after some failures without progress
 */
export async function downloadUrl(
  { url, name, remote: probed, scratchFolder }: WhatToDownload,
  hooks: DownloadHooks,
): Promise<{ file: string; remote: Remote }> {
  let remote: Remote | null = probed;
  let reached = 0;
  let counted = 0;
  const hasProgressed = () => {
    const does = reached - counted >= PROGRESS_BYTES;
    if (does) counted = reached;
    return does;
  };
  const onBytes = (bytes: number) => {
    reached = Math.max(reached, bytes);
    hooks.onBytes(bytes);
  };
  const attempt = async () => {
    const current = remote ?? (await probe(url, name, hooks.signal));
    // After a failure it may be another file.
    remote = null;
    const file = await partialFile(scratchFolder, name, current);
    await fetchRest({ url, name, remote: current }, file, { ...hooks, onBytes });
    return { file, remote: current };
  };
  return persistently(() => attempt().catch(asAwayForNow), { ...hooks, hasProgressed });
}

/** A host that the probe has found is not unknown: its DNS is away. */
function asAwayForNow(error: unknown): never {
  throw isUnknownHost(error)
    ? new Unavailable(error instanceof Error ? error.message : String(error), { cause: error })
    : error;
}

async function fetchRest(
  { url, name, remote }: Omit<WhatToDownload, 'scratchFolder'>,
  file: string,
  { signal, onBytes }: DownloadHooks,
): Promise<void> {
  const { sizeBytes, validator } = remote;
  const atHand = await bytesAtHand(file);
  if (atHand === sizeBytes) return;
  const headers: Record<string, string> =
    atHand > 0 && validator !== null ? { Range: `bytes=${atHand}-`, 'If-Range': validator } : {};
  const response = await request(url, name, headers, signal);
  const now = remoteOf(name, response);
  // A whole answer: the server serves no ranges, or not of this file any more.
  const start = response.status === 206 ? rangeStart(response) : 0;
  const isOther = now.sizeBytes !== sizeBytes || now.etag !== remote.etag;
  if (isOther || (start !== 0 && start !== atHand)) {
    await response.body?.cancel();
    throw new Unavailable(
      `${name}: ${isOther ? 'changed while it was being downloaded' : 'the server sent another range than asked for'}`,
    );
  }
  await using handle = await open(file, constants.O_WRONLY | constants.O_CREAT, 0o600);
  let at = start;
  try {
    for await (const chunk of response.body ?? []) {
      if (at + chunk.length > sizeBytes)
        throw new BadInput(`${name}: the server sends more than the ${sizeBytes} bytes that it told`);
      await writeAll(handle, chunk, at);
      at += chunk.length;
      onBytes(at);
    }
  } catch (error) {
    throw isDiskFull(error)
      ? new Unavailable(`${file}: the disk is full; ${name} needs ${sizeBytes} bytes`, { cause: error })
      : lostConnection(name, error, signal);
  }
  if (at < sizeBytes)
    throw new Unavailable(`${name}: the connection ended after ${at} of ${sizeBytes} bytes`);
}

function rangeStart({ headers }: Response): number {
  return Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]);
}

/** A write may stop short where the disk fills up; the next one then says why. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}
