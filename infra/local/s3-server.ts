import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListBucketsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { TiedProcess } from './processes.ts';
import { plainEnv, startServer } from './server-process.ts';
import { ensureServer } from './servers.mjs';

const ANSWER_TIMEOUT_MS = 2_000;

/** Where an object store is, and as whom to speak to it. */
export interface S3Access {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export interface S3ServerOptions {
  stateDir: string;
  host: string;
  port: number;
  access: S3Access;
}

/** Starts an S3 server that keeps its objects as plain files in `stateDir`/s3. */
export async function startS3Server({ stateDir, host, port, access }: S3ServerOptions): Promise<TiedProcess> {
  const [objects, versions, iam] = ['s3', 'versions', 'iam'].map((name) => join(stateDir, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [objects, versions, iam]) await mkdir(folder, { recursive: true });
  return startServer({
    title: 'S3 server',
    command: await ensureServer('versitygw'),
    args: [
      ...['--port', `${host}:${port}`, '--region', access.region, '--quiet', '--iam-dir', iam],
      ...['posix', '--versioning-dir', versions, objects],
    ],
    env: {
      ...plainEnv(),
      ROOT_ACCESS_KEY_ID: access.accessKeyId,
      ROOT_SECRET_ACCESS_KEY: access.secretAccessKey,
    },
    logFile: join(stateDir, 'logs/s3.log'),
    isReady: () => s3Answers(access),
  });
}

/** Whether an S3 server that knows these credentials answers. */
export async function s3Answers(access: S3Access): Promise<boolean> {
  const client = s3Client(access);
  try {
    await client.send(new ListBucketsCommand());
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

/** Makes a bucket that keeps versions, if it isn't there. */
export async function ensureBucket(access: S3Access, bucket: string): Promise<void> {
  const client = s3Client(access);
  try {
    const { Buckets: buckets } = await client.send(new ListBucketsCommand());
    if (!buckets?.some(({ Name: name }) => name === bucket)) {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
    }
    const versioning = { Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' as const } };
    await client.send(new PutBucketVersioningCommand(versioning));
  } finally {
    client.destroy();
  }
}

function s3Client({ endpoint, region, accessKeyId, secretAccessKey }: S3Access): S3Client {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1, // Who asks whether it answers wants to know at once.
    requestHandler: { connectionTimeout: ANSWER_TIMEOUT_MS, requestTimeout: ANSWER_TIMEOUT_MS },
  });
}
