import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import getPort from 'get-port';
import { onTestFinished, vi } from 'vitest';
import { s3Client } from '../../../activities/deliver/s3-client.ts';
import { ensureBucket, type S3Access, startS3Server } from '../../../infra/local/s3-server.ts';
import { makeFolder } from '../../infra/observe.ts';

export const BUCKET = 'tessera';
export const HOST = '127.0.0.1';

/** An S3 server of this test's own, with one bucket. */
export async function startOwnS3(): Promise<{ access: S3Access; stop(): Promise<void> }> {
  const stateDir = makeFolder();
  mkdirSync(join(stateDir, 'logs'));
  const port = await getPort({ host: HOST });
  const access: S3Access = {
    endpoint: `http://${HOST}:${port}`,
    region: 'us-east-1',
    accessKeyId: 'TESSERATEST',
    secretAccessKey: randomBytes(12).toString('hex'),
  };
  const server = await startS3Server({ stateDir, host: HOST, port, access });
  await ensureBucket(access, BUCKET);
  return {
    access,
    async stop() {
      await server.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** A client that finds its server and credentials in the environment, as a worker does, until the test ends. */
export async function clientOf({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: S3Access): Promise<S3Client> {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint);
  vi.stubEnv('AWS_REGION', region);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  const client = await s3Client();
  onTestFinished(() => {
    vi.unstubAllEnvs();
    client.destroy();
  });
  return client;
}
