import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import pRetry from 'p-retry';
import { BadData, BadInput, Unavailable } from '../../core/config/failures.ts';
import { ForeignAnswer, storeAnswer } from '../../core/s3/answer.ts';
import { settingsOf } from '../../core/s3/client-settings.ts';
import { s3Failure } from '../../core/s3/failure.ts';
import { unlessAbsent } from '../../core/store.ts';
import type { StreamingStore } from './ranged-read.ts';
import { probeWrites } from './write-probe.ts';

/** A conditional write that met another one under way is tried again so often. */
const CONFLICT_RETRIES = 4;

export interface S3StoreOptions {
  /**
   * `off` for stores that don't know `If-None-Match`: an object's absence is then asked for before it is written, and
   * two writers at once may both write.
   */
  conditionalWrites?: 'on' | 'off';
}

/** S3 as a `Store`. Failures come out typed, naming the object. */
export function s3Store(
  client: S3Client,
  { conditionalWrites = conditionalWritesSetting() }: S3StoreOptions = {},
): StreamingStore {
  let hasAnswered = false;
  const checkedFolders = new Set<string>();
  const call = async <T>(
    uri: string,
    action: (at: { Bucket: string; Key: string }) => Promise<T>,
  ): Promise<T> => {
    try {
      const result = await action(parseUri(uri));
      hasAnswered = true;
      return result;
    } catch (error) {
      hasAnswered ||= storeAnswer(error) !== null;
      throw s3Failure(error, { uri, hasAnswered, ...(await settingsOf(client)) });
    }
  };
  /** Answers to HEAD have no body: why it failed is asked for by a GET of one byte, which takes the same right. */
  const headFailure = (at: { Bucket: string; Key: string }, error: unknown): Promise<never> => {
    const status = statusOf(error);
    // No answer, or one of a server that is busy or broken: asking again would only add to that.
    if (status === undefined || status === 429 || status >= 500) throw error;
    return client.send(new GetObjectCommand({ ...at, Range: 'bytes=0-0' })).then(
      ({ Body }) => {
        (Body as Readable | undefined)?.destroy();
        throw error;
      },
      (cause) => {
        throw statusOf(cause) === undefined ? error : cause;
      },
    );
  };
  const put = (
    at: { Bucket: string; Key: string },
    body: Uint8Array,
    contentType: string | undefined,
    condition: { IfNoneMatch?: '*' },
  ) => client.send(new PutObjectCommand({ ...at, Body: body, ContentType: contentType, ...condition }));

  const store: StreamingStore = {
    head: (uri) =>
      call(uri, async (at) => {
        const { ContentLength, ETag, VersionId } = await client
          .send(new HeadObjectCommand(at))
          .catch((error) => headFailure(at, error));
        return {
          sizeBytes: ContentLength ?? 0,
          etag: ETag ?? '',
          ...(VersionId ? { versionId: VersionId } : {}),
        };
      }),

    read: (uri, range) =>
      call(uri, async (at) => {
        const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
        const { Body } = await client.send(new GetObjectCommand({ ...at, Range }));
        const bytes = Buffer.from(await Body!.transformToByteArray());
        if (range && bytes.length !== range.length)
          throw new BadData(
            `${uri}: ${bytes.length} bytes at ${range.offset}, expected ${range.length}: truncated?`,
          );
        return bytes;
      }),

    stream: (uri, range, { versionId, etag }) =>
      call(uri, async (at) => {
        const Range = `bytes=${range.offset}-${range.offset + range.length - 1}`;
        const pin = versionId ? { VersionId: versionId } : { IfMatch: etag };
        const get = new GetObjectCommand({ ...at, Range, ...pin });
        const { Body, ContentLength } = await client.send(get).catch((cause) => {
          if (statusOf(cause) !== 412) throw cause;
          throw new BadData(
            `${uri}: was replaced while it was being fetched; start the run again, so that it plans with what is there now`,
            { cause },
          );
        });
        const body = Body as Readable;
        if (ContentLength === range.length) return body;
        body.destroy();
        throw new BadData(
          `${uri}: ${ContentLength} bytes at ${range.offset}, expected ${range.length}: truncated?`,
        );
      }),

    async write(uri, body, options = {}) {
      await call(uri, (at) => put(at, body, options.contentType, {}));
    },

    async writeOnce(uri, body, options = {}) {
      if (conditionalWrites === 'off') {
        if ((await unlessAbsent(store.head(uri))) !== null) return 'exists';
        await store.write(uri, body, options);
        return 'written';
      }
      return call(uri, async (at) => {
        try {
          await pRetry(() => put(at, body, options.contentType, { IfNoneMatch: '*' }), {
            retries: CONFLICT_RETRIES,
            minTimeout: 100,
            randomize: true,
            shouldRetry: ({ error }) => statusOf(error) === 409,
          });
          return 'written';
        } catch (error) {
          if (statusOf(error) === 412) return 'exists';
          throw error;
        }
      });
    },

    upload: (uri, source, onProgress) =>
      call(uri, async (at) => {
        const isFile = typeof source === 'string';
        const upload = new Upload({
          client,
          params: { ...at, Body: isFile ? createReadStream(source) : Readable.from(source) },
          partSize: 32 << 20,
        });
        upload.on('httpUploadProgress', ({ loaded }) => onProgress?.(loaded ?? 0));
        try {
          await upload.done();
        } catch (error) {
          // The file's own failures are none of the store's: the run that wrote it may have ended.
          if (error instanceof Error && 'path' in error && (!isFile || error.path === source))
            throw new Unavailable(`${error.path}: cannot be read: ${error.message}`, { cause: error });
          throw error;
        }
      }),

    remove: (uri) =>
      call(uri, async (at) => {
        await client.send(new DeleteObjectCommand(at));
      }),

    list: (prefix) =>
      call(prefix, async ({ Bucket, Key }) => {
        const found = [];
        for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix: Key }))
          for (const { Key: key, Size } of page.Contents ?? [])
            found.push({ uri: `s3://${Bucket}/${key}`, sizeBytes: Size ?? 0 });
        return found;
      }),

    async checkWrites(folder) {
      // What a store takes doesn't change while this process lives.
      if (checkedFolders.has(folder)) return;
      await call(folder, () => probeWrites(client, folder, { conditionalWrites }));
      checkedFolders.add(folder);
    },
  };
  return store;
}

/** @throws BadInput for a setting that is none */
function conditionalWritesSetting(): 'on' | 'off' {
  const setting = process.env.TESSERA_S3_CONDITIONAL_WRITES || 'on';
  if (setting === 'on' || setting === 'off') return setting;
  throw new BadInput(`TESSERA_S3_CONDITIONAL_WRITES is ${setting}; expected on or off`);
}

function parseUri(uri: string): { Bucket: string; Key: string } {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri);
  if (!match) throw new BadInput(`${uri}: expected s3://bucket/key`);
  return { Bucket: match[1]!, Key: match[2]! };
}

function statusOf(error: unknown): number | undefined {
  const isAnswer = error instanceof S3ServiceException || error instanceof ForeignAnswer;
  return isAnswer ? error.$metadata.httpStatusCode : undefined;
}
