import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { StreamingStore } from '../../../activities/deliver/ranged-read.ts';
import { s3Client } from '../../../activities/deliver/s3-client.ts';
import { s3Store } from '../../../activities/deliver/s3-store.ts';
import { s3Copy } from '../../../activities/stage/s3-copy.ts';
import { type FailureClass, NotFound, TypedFailure } from '../../../core/config/failures.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { type Answer, type Asked, answeringServer, s3Error, webPage } from './answering-server.ts';

vi.setConfig({ testTimeout: 60_000 });

interface Case {
  answer: Answer;
  class: FailureClass;
  says: RegExp[];
}

const DAY = '<RequestTime>20260101T000000Z</RequestTime><ServerTime>2026-01-02T00:00:00Z</ServerTime>';
const KMS = 'User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey';
const URI = 's3://any/runs/key';
const AT = /http:\/\/127\.0\.0\.1:\d+/;

/** What stores answer, and what the user reads. The key is the bucket that answers so. */
const CASES: Record<string, Case> = {
  'wrong-region': {
    answer: withHeaders(s3Error(301, 'PermanentRedirect'), { 'x-amz-bucket-region': 'eu-central-1' }),
    class: 'BadInput',
    says: [/bucket is in eu-central-1, but us-west-2 is set/, /AWS_REGION=eu-central-1/],
  },
  'wrong-region-by-endpoint': {
    answer: s3Error(301, 'PermanentRedirect', '…', '<Endpoint>b.s3.ap-south-1.amazonaws.com</Endpoint>'),
    class: 'BadInput',
    says: [/AWS_REGION=ap-south-1/],
  },
  'malformed-header': {
    answer: withHeaders(s3Error(400, 'AuthorizationHeaderMalformed'), { 'x-amz-bucket-region': 'eu-west-1' }),
    class: 'BadInput',
    says: [/AWS_REGION=eu-west-1/],
  },
  'malformed-in-body': {
    answer: s3Error(400, 'AuthorizationHeaderMalformed', 'wrong', '<Region>eu-west-3</Region>'),
    class: 'BadInput',
    says: [/AWS_REGION=eu-west-3/],
  },
  'wrong-endpoint': {
    answer: withHeaders(s3Error(301, 'PermanentRedirect'), { 'x-amz-bucket-region': 'us-west-2' }),
    class: 'BadInput',
    says: [/the bucket is not served at/, AT, /AWS_ENDPOINT_URL_S3/],
  },
  'no-key': {
    answer: s3Error(400, 'AuthorizationHeaderMalformed', 'a non-empty Access Key must be provided'),
    class: 'BadInput',
    says: [/refuses the request: 400 AuthorizationHeaderMalformed a non-empty Access Key/],
  },
  'expired-token': {
    answer: s3Error(400, 'ExpiredToken'),
    class: 'BadInput',
    says: [/credentials have expired \(ExpiredToken: Words of the store\)/, /aws sso login/],
  },
  'invalid-token': { answer: s3Error(400, 'InvalidToken'), class: 'BadInput', says: [/AWS_SESSION_TOKEN/] },
  'invalid-key': {
    answer: s3Error(403, 'InvalidAccessKeyId'),
    class: 'BadInput',
    says: [/access denied: the store does not know the access key/, /AWS_ACCESS_KEY_ID/],
  },
  'wrong-secret': {
    answer: s3Error(403, 'SignatureDoesNotMatch'),
    class: 'BadInput',
    says: [/access denied: the signature is wrong/, /AWS_SECRET_ACCESS_KEY/],
  },
  denied: {
    answer: s3Error(403, 'AccessDenied', 'u may not s3:PutObject'),
    class: 'BadInput',
    says: [/access denied \(AccessDenied: u may not s3:PutObject\)/, /policy/, /s3:ListBucket/],
  },
  'denied-without-a-word': { answer: { status: 403 }, class: 'BadInput', says: [/access denied \(403\)/] },
  skewed: {
    answer: s3Error(403, 'RequestTimeTooSkewed', 'too large', DAY),
    class: 'BadInput',
    says: [/clocks .* differ by 1440 minutes/, /NTP/],
  },
  archived: {
    answer: s3Error(403, 'InvalidObjectState', 'no', '<StorageClass>DEEP_ARCHIVE</StorageClass>'),
    class: 'BadInput',
    says: [/archived \(storage class DEEP_ARCHIVE\)/, /restore-object/],
  },
  quota: {
    answer: s3Error(403, 'QuotaExceeded'),
    class: 'BadInput',
    says: [/quota is reached/, /make room/],
  },
  'minio-full': { answer: s3Error(507, 'XMinioStorageFull'), class: 'BadInput', says: [/store is full/] },
  'full-without-a-word': { answer: { status: 507 }, class: 'BadInput', says: [/store is full/] },
  'kms-denied': {
    answer: s3Error(403, 'AccessDenied', KMS),
    class: 'BadInput',
    says: [/kms:GenerateDataKey of/],
  },
  'kms-disabled': {
    answer: s3Error(400, 'KMS.DisabledException'),
    class: 'BadInput',
    says: [/KMS key .* cannot/],
  },
  'kms-busy': { answer: s3Error(400, 'KMS.ThrottlingException'), class: 'Unavailable', says: [/KMS/] },
  'requester-pays': {
    answer: s3Error(403, 'AccessDenied', 'This is a Requester Pays bucket'),
    class: 'BadInput',
    says: [/pays/, /copy what is needed/],
  },
  mfa: {
    answer: s3Error(403, 'AccessDenied', 'MultiFactorAuthentication is required'),
    class: 'BadInput',
    says: [/multi-factor/],
  },
  locked: { answer: s3Error(403, 'AllAccessDisabled'), class: 'BadInput', says: [/locked/] },
  'marker-of-a-version': {
    answer: withHeaders(s3Error(405, 'MethodNotAllowed'), { 'x-amz-delete-marker': 'true' }),
    class: 'BadData',
    says: [/is deleted; start the run again/],
  },
  'no-such-version': {
    answer: s3Error(404, 'NoSuchVersion'),
    class: 'BadData',
    says: [/version .* does not exist/],
  },
  portal: {
    answer: webPage(200, 'Welcome to the hotel'),
    class: 'BadInput',
    says: [/not an S3 store \(200, "Welcome to the hotel/, /sign-in page/, AT],
  },
  'portal-elsewhere': {
    answer: { status: 302, headers: { location: 'https://login.example.org/' } },
    class: 'BadInput',
    says: [/not an S3 store \(302, "https:\/\/login\.example\.org\/"\)/],
  },
  'portal-by-number': {
    answer: webPage(511, 'Network Authentication Required'),
    class: 'BadInput',
    says: [/wants a sign-in/],
  },
  'web-server': {
    answer: webPage(404, 'Not Found nginx'),
    class: 'BadInput',
    says: [/not an S3 store \(404/],
  },
  'web-server-that-forbids': {
    answer: webPage(403, 'Forbidden'),
    class: 'BadInput',
    says: [/not an S3 store/],
  },
  'proxy-sign-in': { answer: { status: 407 }, class: 'BadInput', says: [/proxy .* wants a sign-in \(407/] },
  'proxy-broken': {
    answer: webPage(502, 'Bad Gateway'),
    class: 'Unavailable',
    says: [/a proxy before .* answers instead of S3 \(502/],
  },
  'tls-port': {
    answer: {
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: 'Client sent an HTTP request to an HTTPS server.\n',
    },
    class: 'BadInput',
    says: [/wants https:\/\/ in its address/],
  },
  'slow-down': { answer: s3Error(503, 'SlowDown'), class: 'Unavailable', says: [/the store is busy/] },
  'too-many': { answer: { status: 429 }, class: 'Unavailable', says: [/the store is busy/] },
  'request-limit': {
    answer: s3Error(503, 'RequestLimitExceeded'),
    class: 'Unavailable',
    says: [/the store is busy/],
  },
  broken: {
    answer: s3Error(500, 'InternalError'),
    class: 'Unavailable',
    says: [/did not answer as it should/],
  },
  'broken-without-a-word': { answer: { status: 503 }, class: 'Unavailable', says: [/busy or away/] },
  digest: { answer: s3Error(400, 'BadDigest'), class: 'Unavailable', says: [/bytes that came are not/] },
  sha256: {
    answer: s3Error(400, 'XAmzContentSHA256Mismatch'),
    class: 'Unavailable',
    says: [/AWS_REQUEST_CHECKSUM_CALCULATION/],
  },
  'not-implemented': {
    answer: s3Error(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
    ),
    class: 'BadInput',
    says: [/does not know this operation/, /TESSERA_S3_CONDITIONAL_WRITES=off/],
  },
  'no-checksums': {
    answer: s3Error(400, 'InvalidRequest', 'x-amz-checksum-crc32 is not supported'),
    class: 'BadInput',
    says: [/does not know the SDK's checksums/, /AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED/],
  },
  'too-large': { answer: s3Error(400, 'EntityTooLarge'), class: 'BadInput', says: [/of this size/] },
  'bad-name': { answer: s3Error(400, 'InvalidBucketName'), class: 'BadInput', says: [/3 to 63/] },
  'new-bucket': {
    answer: s3Error(307, 'TemporaryRedirect'),
    class: 'Unavailable',
    says: [/so new/],
  },
  'something-else': {
    answer: s3Error(418, 'Teapot', 'short and stout'),
    class: 'BadInput',
    says: [/refuses the request: 418 Teapot short and stout/],
  },
};

const DELETED = withHeaders(s3Error(404, 'NoSuchKey'), { 'x-amz-delete-marker': 'true' });
/** Of a PUT. */
const DONE: Answer = { status: 200, headers: { etag: '"1"' } };

function xml(body: string): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0"?>${body}`,
  };
}

function withHeaders(answer: Answer, headers: Record<string, string>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** What a bucket answers that no case names. */
let answerTo: (asked: Asked) => Answer;
let server: Awaited<ReturnType<typeof answeringServer>>;
let client: S3Client;
let store: StreamingStore;

beforeAll(async () => {
  server = await answeringServer((asked) => CASES[asked.bucket]?.answer ?? answerTo(asked));
  vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint);
  vi.stubEnv('AWS_REGION', 'us-west-2');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'KEY');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'SECRET');
  client = await s3Client();
  store = s3Store(client);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  client.destroy();
  await server.close();
});

/** What each call on a place throws, by the call's name. */
async function failuresOf(bucket: string): Promise<[string, unknown][]> {
  const uri = `s3://${bucket}/runs/key`;
  const body = Buffer.from('x');
  const calls = {
    head: () => store.head(uri),
    read: () => store.read(uri),
    range: () => store.read(uri, { offset: 0, length: 1 }),
    stream: () => store.stream(uri, { offset: 0, length: 1 }, { versionId: '1' }),
    write: () => store.write(uri, body),
    writeOnce: () => store.writeOnce(uri, body),
    remove: () => store.remove(uri),
    list: () => store.list(uri),
    checkWrites: () => store.checkWrites(`s3://${bucket}/runs`),
  };
  return Promise.all(
    Object.entries(calls).map(
      async ([name, call]): Promise<[string, unknown]> => [
        name,
        await call().then(
          (result) => `worked: ${JSON.stringify(result)}`,
          (error) => error,
        ),
      ],
    ),
  );
}

describe.concurrent('an answer is a failure of its class, in words for the user, whatever the call', () => {
  test.each(Object.entries(CASES))('%s', async (bucket, { class: failureClass, says }) => {
    for (const [call, failure] of await failuresOf(bucket)) {
      expect(failure, call).toBeInstanceOf(TypedFailure);
      const { failureClass: given, message } = failure as TypedFailure;
      expect([call, given, message]).toEqual([call, failureClass, message]);
      expect(message).toMatch(new RegExp(`^s3://${bucket}\\b`));
      for (const pattern of says) expect(message).toMatch(pattern);
      expect(message).not.toMatch(/Deserialization|UnknownError|undefined|XML parse/);
    }
    // HEAD is asked for its reason once, and the check of writes has three plainer ways to try.
    const once = server.requests.filter((request) => request.bucket === bucket).length;
    if (failureClass !== 'Unavailable' && bucket !== 'skewed') expect(once).toBeLessThanOrEqual(9 + 1 + 3);
  });
});

describe('what is not there is NotFound', () => {
  test.each([
    ['a key', s3Error(404, 'NoSuchKey'), 'object'],
    ['a key whose newest version is a delete marker', DELETED, 'object'],
    ['a bucket', s3Error(404, 'NoSuchBucket'), 'bucket'],
  ])('%s, by HEAD as by GET', async (_, answer, what) => {
    answerTo = () => answer;
    for (const call of [store.head, store.read]) {
      const failure = await call(URI).catch((error) => error);
      expect(failure).toBeInstanceOf(NotFound);
      expect(failure).toMatchObject({ what });
    }
  });
});

describe('a conditional write', () => {
  const body = Buffer.from('x');

  test('that meets another one under way is tried again', async () => {
    const answers = [
      s3Error(409, 'ConditionalRequestConflict'),
      s3Error(409, 'ConditionalRequestConflict'),
      DONE,
    ];
    answerTo = () => answers.shift()!;
    expect(await store.writeOnce(URI, body)).toBe('written');
  });

  test('that meets others again and again is Unavailable', async () => {
    answerTo = () => s3Error(409, 'ConditionalRequestConflict');
    await expect(store.writeOnce(URI, body)).rejects.toMatchObject({ failureClass: 'Unavailable' });
  });

  test('whose object is there says so', async () => {
    answerTo = () => s3Error(412, 'PreconditionFailed');
    expect(await store.writeOnce(URI, body)).toBe('exists');
  });
});

test('an answer that breaks off is Unavailable', async () => {
  const cut = (body: string, headers = {}): Answer => ({
    status: 200,
    body,
    isCut: true,
    headers: { etag: '"1"', 'content-type': 'application/xml', 'content-length': '1000', ...headers },
  });
  answerTo = () => cut('half');
  await expect(store.read(URI)).rejects.toMatchObject({ failureClass: 'Unavailable' });
  answerTo = () => cut('<?xml version="1.0"?><ListBucketResult><Name>b</Na');
  await expect(store.list(URI)).rejects.toMatchObject({ failureClass: 'Unavailable' });
});

test('how long a store asks to wait comes with the failure', async () => {
  answerTo = () => withHeaders(s3Error(503, 'SlowDown'), { 'retry-after': '1' });
  await expect(store.read(URI)).rejects.toMatchObject({ failureClass: 'Unavailable', retryAfterMs: 1000 });
});

test('a write that gets no ETag has not been written', async () => {
  answerTo = () => ({ status: 200 });
  await expect(store.write(URI, Buffer.from('x'))).rejects.toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringContaining('is not an S3 store (200)'),
  });
});

describe('an upload in parts', () => {
  const partOf = ({ method, query }: Asked) => {
    if (method === 'POST' && query.has('uploads')) return 'create';
    if (method === 'PUT' && query.has('partNumber')) return 'part';
    return method === 'POST' && query.has('uploadId') ? 'complete' : 'abort';
  };
  const WELL: Record<ReturnType<typeof partOf>, Answer> = {
    create: xml('<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>'),
    part: DONE,
    complete: xml('<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'),
    abort: { status: 204 },
  };
  const COPIED = xml('<CopyPartResult><ETag>"1"</ETag></CopyPartResult>');

  /** Uploads two parts. */
  async function upload(): Promise<unknown> {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    truncateSync(file, 33 << 20);
    return store.upload(URI, file).catch((error) => error);
  }

  /** Copies two parts. */
  function copy(): Promise<unknown> {
    const from = { uri: 's3://from/key', etag: '"1"', sizeBytes: 200 };
    const hooks = { signal: new AbortController().signal, onBytes() {} };
    return s3Copy(client, 100)(from, URI, hooks).catch((error) => error);
  }

  const FAILURES: [keyof typeof WELL, Answer, FailureClass, RegExp][] = [
    ['create', s3Error(403, 'QuotaExceeded'), 'BadInput', /quota is reached/],
    ['part', s3Error(507, 'XMinioStorageFull'), 'BadInput', /store is full/],
    ['part', s3Error(404, 'NoSuchUpload'), 'Unavailable', /upload in parts was ended/],
    ['complete', s3Error(400, 'ExpiredToken'), 'BadInput', /credentials have expired/],
    ['complete', s3Error(200, 'InternalError'), 'Unavailable', /did not answer as it should/],
    ['complete', webPage(200, 'Welcome'), 'BadInput', /is not an S3 store \(200, "Welcome/],
  ];

  test.each(FAILURES)('fails at %s with %o as %s', async (step, answer, failureClass, message) => {
    answerTo = (asked) => (partOf(asked) === step ? answer : WELL[partOf(asked)]);
    expect(await upload()).toMatchObject({ failureClass, message: expect.stringMatching(message) });
  });

  test('and one of copies: what another way would meet as well is its failure', async () => {
    for (const [step, answer, failureClass, message] of FAILURES) {
      if (failureClass === 'BadInput' && answer.status === 403) continue;
      answerTo = (asked) =>
        partOf(asked) === step ? answer : partOf(asked) === 'part' ? COPIED : WELL[partOf(asked)];
      expect(await copy()).toMatchObject({ failureClass, message: expect.stringMatching(message) });
    }
  });

  test('and one of copies, refused, is no failure: the bytes may go another way', async () => {
    const refusals = [
      s3Error(403, 'AccessDenied'),
      s3Error(501, 'NotImplemented'),
      s3Error(404, 'NoSuchVersion'),
    ];
    for (const answer of refusals) {
      answerTo = (asked) => (partOf(asked) === 'part' ? answer : WELL[partOf(asked)]);
      expect(await copy()).toBe('refused');
    }
  });

  test('of a file that is gone names the file, and no credentials', async () => {
    await expect(store.upload(URI, '/nowhere/file')).rejects.toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringMatching(/^\/nowhere\/file: cannot be read: ENOENT/),
    });
  });

  test('works where every step does', async () => {
    answerTo = (asked) => WELL[partOf(asked)];
    expect(await upload()).toBe(undefined);
  });
});
