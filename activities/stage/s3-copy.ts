import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { BadInput, Unavailable } from '../../core/config/failures.ts';
import type { WeightsSourceRecord } from '../../core/config/manifests.ts';
import { settingsOf } from '../../core/s3/client-settings.ts';
import { s3Failure } from '../../core/s3/failure.ts';
import { inParallel } from './in-parallel.ts';

/** A larger object is copied in parts: one request for 5 GB (S3's limit) would show no progress for minutes. */
const PART_BYTES = 256 << 20;
const PARTS_AT_ONCE = 4;
/** S3's limit. */
const MAX_PARTS = 10_000;

/** S3's words for what it doesn't copy. */
const REFUSALS = new Set([
  'AccessDenied',
  'Forbidden',
  'InvalidObjectState',
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'NotImplemented',
  'MethodNotAllowed',
  'InvalidRequest',
  'InvalidArgument',
  'EntityTooLarge',
  // Of the source: reading it says so by its name.
  'NoSuchKey',
  'NoSuchVersion',
  'NotFound',
]);

interface CopyHooks {
  signal: AbortSignal;
  onBytes(bytes: number): void;
}

/** Copies an object within the store, if it is still the one of `from.etag`; 'refused' if the store won't do it. */
export type CopyObject = (
  from: WeightsSourceRecord,
  to: string,
  hooks: CopyHooks,
) => Promise<'copied' | 'refused'>;

/**
 * Copies on the server: no byte comes this way.
 *
 * @throws Unavailable, also if the object changed meanwhile; BadInput for what reading and writing would meet as well
 */
export function s3Copy(client: S3Client, partBytes = PART_BYTES): CopyObject {
  return async (from, to, hooks) => {
    hooks.signal.throwIfAborted();
    const source = parseUri(from.uri);
    const copy = {
      ...parseUri(to),
      CopySource: `${source.Bucket}/${source.Key.split('/').map(encodeURIComponent).join('/')}`,
      CopySourceIfMatch: from.etag,
    };
    try {
      if (from.sizeBytes <= partBytes) await client.send(new CopyObjectCommand(copy));
      else await copyInParts(client, copy, from.sizeBytes, partBytes, hooks);
      hooks.onBytes(from.sizeBytes);
      return 'copied';
    } catch (error) {
      hooks.signal.throwIfAborted();
      if (isRefusal(error)) return 'refused';
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412)
        throw new Unavailable(`${from.uri}: not copied to ${to}: it changed meanwhile`, { cause: error });
      throw s3Failure(error, { uri: to, hasAnswered: true, ...(await settingsOf(client)) });
    }
  };
}

/** Not allowed, across regions, or a server that can't: reading and writing may do all the same. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  const isUnknown =
    error.name === 'Unknown' && [403, 404, 405, 501].includes(error.$metadata.httpStatusCode ?? 0);
  return isUnknown || REFUSALS.has(error.name);
}

async function copyInParts(
  client: S3Client,
  copy: { Bucket: string; Key: string; CopySource: string; CopySourceIfMatch: string },
  sizeBytes: number,
  wantedPartBytes: number,
  { signal, onBytes }: CopyHooks,
): Promise<void> {
  const { Bucket, Key } = copy;
  const partBytes = Math.max(wantedPartBytes, Math.ceil(sizeBytes / MAX_PARTS));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const offsets = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, part) => part * partBytes);
  let bytes = 0;
  try {
    const Parts = await inParallel(
      offsets,
      { atOnce: PARTS_AT_ONCE, signal },
      async (offset, abortSignal) => {
        const length = Math.min(partBytes, sizeBytes - offset);
        const CopySourceRange = `bytes=${offset}-${offset + length - 1}`;
        const part = { ...copy, CopySourceRange, UploadId, PartNumber: offset / partBytes + 1 };
        const { CopyPartResult } = await client.send(new UploadPartCopyCommand(part), { abortSignal });
        bytes += length;
        onBytes(bytes);
        return { PartNumber: part.PartNumber, ETag: CopyPartResult?.ETag };
      },
    );
    const done = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
    await client.send(new CompleteMultipartUploadCommand(done));
  } catch (error) {
    // Parts of an upload that nobody completes would be paid for forever.
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => {});
    throw error;
  }
}

function parseUri(uri: string): { Bucket: string; Key: string } {
  const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri);
  if (!match) throw new BadInput(`${uri}: expected s3://bucket/key`);
  return { Bucket: match[1]!, Key: match[2]! };
}
