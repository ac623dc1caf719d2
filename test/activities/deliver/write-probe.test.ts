import { afterEach, describe, expect, test, vi } from 'vitest';
import { s3Client } from '../../../activities/deliver/s3-client.ts';
import { s3Store } from '../../../activities/deliver/s3-store.ts';
import { type Answer, type Asked, answeringServer, s3Error } from './answering-server.ts';

afterEach(() => vi.unstubAllEnvs());

const FOLDER = 's3://bucket/runs';

/** An answer instead of the one that S3 would give. */
type Quirk = (asked: Asked) => Answer | null;

const hasChecksum = ({ headers }: Asked) => Object.keys(headers).some((name) => name.includes('checksum'));
const isConditional = ({ headers }: Asked) => headers['if-none-match'] === '*';

const QUIRKS = {
  none: () => null,
  refusesChecksums: (asked) =>
    hasChecksum(asked) ? s3Error(501, 'NotImplemented', 'A header is not implemented') : null,
  breaksOverChecksums: (asked) => (hasChecksum(asked) ? s3Error(403, 'SignatureDoesNotMatch') : null),
  refusesConditions: (asked) =>
    isConditional(asked) ? s3Error(501, 'NotImplemented', 'A header is not implemented') : null,
  refusesBoth: (asked) =>
    hasChecksum(asked) || isConditional(asked) ? s3Error(400, 'InvalidArgument', 'Unknown header') : null,
  refusesToWrite: ({ method }) =>
    method === 'PUT' ? s3Error(403, 'AccessDenied', 'Put is not allowed') : null,
  refusesToRemove: ({ method }) => (method === 'DELETE' ? s3Error(403, 'AccessDenied') : null),
} satisfies Record<string, Quirk>;

/** A small S3: objects in a map, conditional writes honoured or ignored, and a quirk. */
async function openStore({ quirk = QUIRKS.none as Quirk, ignoresConditions = false } = {}) {
  const objects = new Map<string, Buffer>();
  const server = await answeringServer((asked) => {
    const answer = quirk(asked);
    if (answer) return answer;
    const { method, key, body } = asked;
    if (method === 'PUT' && isConditional(asked) && objects.has(key) && !ignoresConditions)
      return s3Error(412, 'PreconditionFailed');
    if (method === 'PUT') objects.set(key, body);
    else if (method === 'DELETE') return objects.delete(key) ? { status: 204 } : { status: 204 };
    else if (!objects.has(key)) return s3Error(404, 'NoSuchKey');
    return { status: 200, headers: { etag: '"1"' } };
  });
  vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'KEY');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'SECRET');
  const client = await s3Client();
  return {
    store: s3Store(client),
    objects,
    requests: server.requests,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.close();
    },
  };
}

/** What the check of a store's writes says: '' if all is well. */
const check = async (store: { checkWrites(folder: string): Promise<void> }): Promise<string> =>
  store.checkWrites(FOLDER).then(
    () => '',
    (error) => `${error.failureClass}: ${error.message}`,
  );

describe('before a run, the store is asked whether it writes as publishing needs it', () => {
  test('and one that does costs four small requests, once for a folder, and keeps nothing', async () => {
    await using s3 = await openStore();
    expect(await check(s3.store)).toBe('');
    expect(s3.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'PUT', 'DELETE']);
    expect(new Set(s3.requests.map(({ key }) => key))).toEqual(new Set(['runs/.tessera-write-probe']));
    expect(s3.objects.size).toBe(0);
    expect(await check(s3.store)).toBe('');
    expect(s3.requests).toHaveLength(4);
  });

  test('and many that ask at once get the same answer, and leave nothing', async () => {
    await using s3 = await openStore();
    const checks = Array.from({ length: 8 }, () => check(s3.store));
    expect(new Set(await Promise.all(checks))).toEqual(new Set(['']));
    expect(s3.objects.size).toBe(0);
  });

  test('and rights to remove are not needed: what stays is one small object, whatever the number of checks', async () => {
    await using s3 = await openStore({ quirk: QUIRKS.refusesToRemove });
    expect(await check(s3.store)).toBe('');
    expect([...s3.objects.keys()]).toEqual(['runs/.tessera-write-probe']);
    const another = s3Store(await s3Client());
    expect(await check(another)).toBe('');
    expect(s3.objects.size).toBe(1);
  });

  test.each([
    [
      'that refuses checksums',
      'refusesChecksums',
      /refuses checksum headers .*AWS_REQUEST_CHECKSUM_CALCULATION=WHEN/,
    ],
    [
      'whose signatures break by checksums',
      'breaksOverChecksums',
      /AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED/,
    ],
    [
      'that refuses If-None-Match',
      'refusesConditions',
      /refuses If-None-Match .*TESSERA_S3_CONDITIONAL_WRITES=off/,
    ],
    [
      'that refuses both',
      'refusesBoth',
      /WHEN_REQUIRED and TESSERA_S3_CONDITIONAL_WRITES=off .*docs\/operations/,
    ],
    ['that refuses to write', 'refusesToWrite', /access denied \(AccessDenied: Put is not allowed\)/],
  ] as const)('and one %s is BadInput with what to set', async (_, quirk, says) => {
    await using s3 = await openStore({ quirk: QUIRKS[quirk] });
    const said = await check(s3.store);
    expect(said).toMatch(/^BadInput: s3:\/\/bucket\/runs/);
    expect(said).toMatch(says);
    expect(said).not.toMatch(quirk === 'refusesChecksums' ? /CONDITIONAL/ : /undefined/);
    expect(s3.objects.size).toBe(0);
  });

  test('and one that ignores If-None-Match is found out: it would overwrite results', async () => {
    await using s3 = await openStore({ ignoresConditions: true });
    const said = await check(s3.store);
    expect(said).toMatch(/^BadInput: s3:\/\/bucket\/runs: the store ignores If-None-Match/);
    expect(said).toMatch(/TESSERA_S3_CONDITIONAL_WRITES=off/);
    expect(s3.objects.size).toBe(0);
  });
});

describe('what the check says to set', () => {
  const body = Buffer.from('x');

  test('serves a store without checksums', async () => {
    vi.stubEnv('AWS_REQUEST_CHECKSUM_CALCULATION', 'WHEN_REQUIRED');
    await using s3 = await openStore({ quirk: QUIRKS.refusesChecksums });
    expect(await check(s3.store)).toBe('');
    expect(await s3.store.writeOnce(`${FOLDER}/a`, body)).toBe('written');
  });

  test.each([
    ['refuses', { quirk: QUIRKS.refusesConditions }],
    ['ignores', { ignoresConditions: true }],
  ])('serves a store that %s conditions: what is there already is left as it is', async (_, options) => {
    vi.stubEnv('TESSERA_S3_CONDITIONAL_WRITES', 'off');
    await using s3 = await openStore(options);
    expect(await check(s3.store)).toBe('');
    expect(s3.objects.size).toBe(0);
    expect(await s3.store.writeOnce(`${FOLDER}/a`, body)).toBe('written');
    expect(await s3.store.writeOnce(`${FOLDER}/a`, Buffer.from('other'))).toBe('exists');
    expect(String(s3.objects.get('runs/a'))).toBe('x');
  });

  test('is refused if it is neither on nor off', async () => {
    vi.stubEnv('TESSERA_S3_CONDITIONAL_WRITES', 'no');
    await expect(openStore()).rejects.toThrow('TESSERA_S3_CONDITIONAL_WRITES is no; expected on or off');
  });
});
