import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { BadData, BadInput, NotFound, TypedFailure, Unavailable } from '../../core/config/failures.ts';
import type { StreamingStore } from './ranged-read.ts';

/** A client as the environment says: AWS's own variables, identities and profiles, and S3-compatible servers. */
export function s3Client(env: NodeJS.ProcessEnv = process.env): S3Client {
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return new S3Client({
    region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1',
    // Servers other than AWS's rarely answer to bucket.host names.
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    maxAttempts: 4,
    // Whatever is read is checked against the digest in its manifest; S3's own sums would be a second time.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 120_000 },
  });
}

/** S3 as a `Store`. Failures come out typed, naming the object. */
export function s3Store(client: S3Client): StreamingStore {
  const call = async <T>(
    uri: string,
    action: (at: { Bucket: string; Key: string }) => Promise<T>,
  ): Promise<T> => {
    try {
      return await action(parseUri(uri));
    } catch (error) {
      throw translate(await withReason(error, uri), uri);
    }
  };
  /** A HEAD has no body to tell a missing bucket from a missing key: the bucket itself is asked. */
  const withReason = async (error: unknown, uri: string): Promise<unknown> => {
    if (statusOf(error) !== 404 || (error instanceof Error && error.name.startsWith('NoSuch'))) return error;
    const { Bucket } = parseUri(uri);
    return client.send(new HeadBucketCommand({ Bucket })).then(
      () => error,
      (cause) => (statusOf(cause) === 404 ? new NotFound('bucket', `s3://${Bucket}`, { cause }) : error),
    );
  };
  const put = (
    uri: string,
    body: Uint8Array,
    contentType: string | undefined,
    condition: { IfNoneMatch?: '*' },
  ) =>
    call(uri, (at) =>
      client.send(new PutObjectCommand({ ...at, Body: body, ContentType: contentType, ...condition })),
    );

  return {
    head: (uri) =>
      call(uri, async (at) => {
        const { ContentLength, ETag, VersionId } = await client.send(new HeadObjectCommand(at));
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
      await put(uri, body, options.contentType, {});
    },

    async writeOnce(uri, body, options = {}) {
      try {
        await put(uri, body, options.contentType, { IfNoneMatch: '*' });
        return 'written';
      } catch (error) {
        if (statusOf(error) === 412) return 'exists';
        throw error;
      }
    },

    upload: (uri, file, onProgress) =>
      call(uri, async (at) => {
        const upload = new Upload({
          client,
          params: { ...at, Body: createReadStream(file) },
          partSize: 32 << 20,
        });
        upload.on('httpUploadProgress', ({ loaded }) => onProgress?.(loaded ?? 0));
        await upload.done();
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
  };
}

function parseUri(uri: string): { Bucket: string; Key: string } {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri);
  if (!match) throw new BadInput(`${uri}: expected s3://bucket/key`);
  return { Bucket: match[1]!, Key: match[2]! };
}

function statusOf(error: unknown): number | undefined {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof S3ServiceException ? cause.$metadata.httpStatusCode : undefined;
}

const DENIED = new Set([
  'AccessDenied',
  'Forbidden',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
]);

/** What a user can mend is BadInput; what may pass by itself is Unavailable. */
function translate(error: unknown, uri: string): unknown {
  if (error instanceof TypedFailure) return error;
  const options = { cause: error };
  const name = error instanceof Error ? error.name : '';
  const detail = error instanceof Error ? error.message : String(error);
  const bucket = /^s3:\/\/[^/]+/.exec(uri)?.[0] ?? uri;
  if (name === 'CredentialsProviderError')
    return new BadInput(
      `${uri}: no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role`,
      options,
    );
  if (error instanceof S3ServiceException) {
    if (name === 'NoSuchBucket') return new NotFound('bucket', bucket, options);
    if (error.$metadata.httpStatusCode === 404) return new NotFound('object', uri, options);
    if (DENIED.has(name) || error.$metadata.httpStatusCode === 403)
      return new BadInput(
        `${uri}: access denied (${name}): check the credentials and the bucket's policy`,
        options,
      );
    if (name === 'InvalidRange')
      return new BadData(`${uri}: shorter than its manifest says: truncated?`, options);
    if (error.$metadata.httpStatusCode === 412) return error;
  }
  return new Unavailable(`${uri}: S3 did not answer as it should: ${detail || name}`, options);
}
