import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import getPort from 'get-port';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { s3Client } from '../../../activities/deliver/s3-client.ts';
import { s3Store } from '../../../activities/deliver/s3-store.ts';
import { settingsOf } from '../../../core/s3/client-settings.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { answeringServer } from './answering-server.ts';

/** A home of its own, without any setting of AWS's. */
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  const home = temporaryFolder();
  mkdirSync(join(home, '.aws'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('AWS_CONFIG_FILE', join(home, '.aws', 'config'));
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(home, '.aws', 'credentials'));
});
afterEach(() => vi.unstubAllEnvs());

function configFile(...lines: string[]): void {
  writeFileSync(process.env.AWS_CONFIG_FILE!, `${lines.join('\n')}\n`);
}

const settings = async () => settingsOf(await s3Client());

const PROFILE = ['[default]', 'region = eu-north-1', '[profile team]', 'region = ap-east-1'];

describe('the region is', () => {
  test("the profile's, where no variable names one", async () => {
    configFile(...PROFILE);
    expect((await settings()).region).toBe('eu-north-1');
    vi.stubEnv('AWS_PROFILE', 'team');
    expect((await settings()).region).toBe('ap-east-1');
  });

  test('that of the variables, where they name one', async () => {
    configFile(...PROFILE);
    vi.stubEnv('AWS_DEFAULT_REGION', 'sa-east-1');
    expect((await settings()).region).toBe('sa-east-1');
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    expect((await settings()).region).toBe('eu-central-1');
  });

  test("us-east-1 at another server than AWS's, which may ask for none", async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://minio:9000');
    expect((await settings()).region).toBe('us-east-1');
  });

  test("the profile's at such a server, too", async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://minio:9000');
    configFile(...PROFILE);
    expect((await settings()).region).toBe('eu-north-1');
  });

  test('asked for at AWS, where nothing names one', async () => {
    const store = s3Store(await s3Client());
    await expect(store.head('s3://bucket/key')).rejects.toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringContaining('no AWS region: set AWS_REGION'),
    });
  });
});

describe('the endpoint is', () => {
  const SERVICES = [
    '[profile ours]',
    'services = ours',
    'region = x',
    '[services ours]',
    's3 =',
    '  endpoint_url = http://ours:1',
  ];

  test("AWS's own, where nothing names one", async () => {
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    expect((await settings()).endpoint).toBe(null);
  });

  test.each([
    ["the profile's", ['[default]', 'endpoint_url = http://profile:9000'], {}, 'http://profile:9000'],
    ["that of its services' section", SERVICES, { AWS_PROFILE: 'ours' }, 'http://ours:1'],
    ['that of a variable', SERVICES, { AWS_PROFILE: 'ours', AWS_ENDPOINT_URL: 'https://any' }, 'https://any'],
    [
      "that of S3's variable",
      [],
      { AWS_ENDPOINT_URL: 'https://any', AWS_ENDPOINT_URL_S3: 'https://s3' },
      'https://s3',
    ],
  ])('%s', async (_, lines, variables, endpoint) => {
    configFile(...lines);
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const client = await s3Client();
    expect((await settingsOf(client)).endpoint).toBe(endpoint);
    expect(client.config.forcePathStyle).toBe(true);
  });

  test.each(['localhost:9000', 'minio', 'ftp://minio'])('no URL, which is BadInput: %s', async (endpoint) => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint);
    await expect(s3Client()).rejects.toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringMatching(/AWS_ENDPOINT_URL_S3: .* expected such as https:\/\//),
    });
  });
});

/** What reading an object throws. */
async function failure(): Promise<{ failureClass: string; message: string }> {
  return s3Store(await s3Client())
    .read('s3://bucket/key')
    .then(
      () => 'worked',
      (error) => error,
    );
}

describe('without credentials', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://127.0.0.1:1');
  });

  test('of any kind, it is BadInput that says what to set', async () => {
    const { failureClass, message } = await failure();
    expect(failureClass).toBe('BadInput');
    expect(message).toMatch(/s3:\/\/bucket\/key: no S3 credentials .*set AWS_ACCESS_KEY_ID .* or a role/);
  });

  test('since the session of the sign-in has expired, it is BadInput that says to sign in', async () => {
    const sso = ['sso_start_url = https://sso.example.org', 'sso_region = us-east-1'];
    configFile(
      '[default]',
      'sso_session = s',
      'sso_account_id = 1',
      'sso_role_name = r',
      '[sso-session s]',
      ...sso,
    );
    const cache = join(process.env.HOME!, '.aws/sso/cache');
    mkdirSync(cache, { recursive: true });
    writeFileSync(
      join(cache, `${createHash('sha1').update('s').digest('hex')}.json`),
      JSON.stringify({ accessToken: 't', expiresAt: '2020-01-01T00:00:00Z' }),
    );
    const { failureClass, message } = await failure();
    expect(failureClass).toBe('BadInput');
    expect(message).toMatch(/no S3 credentials: .*aws sso login/);
  });

  test("since the web identity's token is not there, it is BadInput that names the file", async () => {
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/r');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', '/nowhere/token');
    const { failureClass, message } = await failure();
    expect(failureClass).toBe('BadInput');
    expect(message).toMatch(/no S3 credentials.*\/nowhere\/token.*AWS_WEB_IDENTITY_TOKEN_FILE/);
  });

  test("since the machine's own service is away, it is BadInput as well", async () => {
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', `http://127.0.0.1:${await getPort()}`);
    expect(await failure()).toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringContaining('no S3 credentials'),
    });
  });
});

describe('an address where no S3 is', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'KEY');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'SECRET');
  });

  test('but a server without TLS is BadInput that says so', async () => {
    const server = await answeringServer(() => ({ status: 200 }));
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint.replace('http:', 'https:'));
    expect(await failure()).toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringMatching(
        /S3 did not answer at https:\/\/127\.0\.0\.1:\d+: the server does not speak TLS here: use http/,
      ),
    });
    await server.close();
  });

  test('that nobody listens at is Unavailable: it may be starting', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${await getPort()}`);
    expect(await failure()).toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringMatching(
        /^s3:\/\/bucket\/key: S3 did not answer at http:.*: no server answers \(ECONNREFUSED/,
      ),
    });
  });
});
