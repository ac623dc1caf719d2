import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchToCache } from '../../activities/deliver/object-cache.ts';
import type { Session } from '../../cli/session.ts';
import { median } from './bench-report.ts';
import { placeObject } from './place-object.ts';

const run = promisify(execFile);
const BOTO3_THREADS = 16;
const MIB = 2 ** 20;

export interface WeightsBenchOptions {
  session: Pick<Session, 'store' | 'bucket'>;
  stateFolder: string;
  /** Object, copies of it, and boto3's environment lie in it. */
  folder: string;
  sizeBytes: number;
  rounds: number;
  say(step: string): void;
}

/** One way to bring an object onto this machine's disk. */
export interface WayReport {
  name: string;
  /** One figure a round; empty if it was left out. */
  mibPerSecond: number[];
  /** Why it was left out. */
  skipped?: string;
}

/** @returns seconds of one download */
type Way = () => Promise<number>;

/**
 * Downloads one object again and again from the same server: in each round once with each tool, so that what else
 * the machine does meets all of them. All write a file; ours has verified it as well when its time is taken.
 */
export async function benchWeights(options: WeightsBenchOptions): Promise<WayReport[]> {
  const { session, folder, sizeBytes, rounds, say } = options;
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'object');
  const copy = path.join(folder, 'copy');
  say('making an object of random bytes');
  const sha256 = await writeRandom(file, sizeBytes);
  const object = await placeObject(session, options.stateFolder, file, 'bench/weights-object');
  const address = { bucket: session.bucket, key: 'bench/weights-object' };
  const ways: [string, Way | string][] = [
    ['curl, one stream', await curlWay(address, copy)],
    [`boto3 s3transfer, ${BOTO3_THREADS} threads`, await boto3Way(address, copy, folder, say)],
    ['Tessera, verified', () => ours(session, { uri: object.uri, sha256, sizeBytes }, copy)],
  ];
  const reports = ways.map(
    ([name, way]): WayReport => ({
      name,
      mibPerSecond: [],
      ...(typeof way === 'string' ? { skipped: way } : {}),
    }),
  );
  try {
    for (let round = 1; round <= rounds; round++)
      for (const [i, [name, way]] of ways.entries()) {
        if (typeof way === 'string') continue;
        say(`round ${round} / ${rounds}: ${name}`);
        await rm(copy, { recursive: true, force: true });
        reports[i]!.mibPerSecond.push(sizeBytes / MIB / (await way()));
      }
  } finally {
    await object.remove();
    for (const made of [file, copy]) await rm(made, { recursive: true, force: true });
  }
  return reports;
}

/** The table, and ours in relation to the others, by medians. */
export function weightsText(reports: WayReport[], sizeBytes: number): string {
  const rate = (report: WayReport) => median(report.mibPerSecond);
  const lines = reports.map((report) => {
    const { name, skipped, mibPerSecond } = report;
    if (skipped) return `  ${name.padEnd(32)} left out: ${skipped}`;
    const rounds = mibPerSecond.map((value) => value.toFixed(0)).join(', ');
    return `  ${name.padEnd(32)} ${rate(report).toFixed(0).padStart(5)} MiB/s   (${rounds})`;
  });
  const own = reports.at(-1)!;
  const ratios = reports
    .filter((report) => report !== own && !report.skipped)
    .map((report) => `  ours / ${report.name}: ${(rate(own) / rate(report)).toFixed(2)}`);
  return [`One object of ${sizeBytes / MIB} MiB, medians of rounds:`, ...lines, ...ratios].join('\n');
}

async function ours(
  { store }: WeightsBenchOptions['session'],
  object: { uri: string; sha256: string; sizeBytes: number },
  cache: string,
): Promise<number> {
  const start = performance.now();
  await fetchToCache(store, cache, object);
  return (performance.now() - start) / 1000;
}

interface Address {
  bucket: string;
  key: string;
}

async function curlWay({ bucket, key }: Address, copy: string): Promise<Way | string> {
  const { AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region } = process.env;
  if (!endpoint) return 'AWS_ENDPOINT_URL_S3 is not set';
  const usable = await run('curl', ['--help', 'all']).then(
    ({ stdout }) => stdout.includes('--aws-sigv4'),
    () => false,
  );
  if (!usable) return 'curl 7.75 or newer is not installed';
  return async () => {
    const quiet = ['--silent', '--show-error', '--fail', '--output', copy, '--write-out', '%{time_total}'];
    // Older ones don't send this header by themselves, and S3 wants it.
    const signed = ['--header', 'x-amz-content-sha256: UNSIGNED-PAYLOAD', '--config', '-'];
    const sign = ['--aws-sigv4', `aws:amz:${region ?? 'us-east-1'}:s3`];
    const curl = run('curl', [...quiet, ...signed, ...sign, `${endpoint}/${bucket}/${key}`]);
    // Not as an argument, where every process of the machine could read it.
    curl.child.stdin!.end(`user = "${process.env.AWS_ACCESS_KEY_ID}:${process.env.AWS_SECRET_ACCESS_KEY}"\n`);
    return Number((await curl).stdout);
  };
}

async function boto3Way(
  { bucket, key }: Address,
  copy: string,
  folder: string,
  say: (step: string) => void,
): Promise<Way | string> {
  if (!process.env.AWS_ENDPOINT_URL_S3) return 'AWS_ENDPOINT_URL_S3 is not set';
  const environment = path.join(folder, 'boto3');
  const python = path.join(environment, 'bin/python');
  try {
    if (!existsSync(path.join(environment, 'ready'))) {
      say('installing boto3');
      await rm(environment, { recursive: true, force: true });
      await run('python3', ['-m', 'venv', environment]);
      await run(python, ['-m', 'pip', 'install', '--quiet', 'boto3']);
      await (await open(path.join(environment, 'ready'), 'w')).close();
    }
  } catch (error) {
    return `no Python environment with boto3 could be made: ${String(error).split('\n', 1)[0]}`;
  }
  const script = fileURLToPath(new URL('./boto3-download.py', import.meta.url));
  const env = { ...process.env, AWS_DEFAULT_REGION: process.env.AWS_REGION ?? 'us-east-1' };
  return async () => {
    const { stdout } = await run(python, [script, bucket, key, copy, String(BOTO3_THREADS)], { env });
    return Number(stdout);
  };
}

/** @returns SHA-256 of the file */
async function writeRandom(file: string, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const block = randomBytes(Math.min(sizeBytes, 16 * MIB));
  await using handle = await open(file, 'w');
  for (let at = 0; at < sizeBytes; at += block.length) {
    block.writeDoubleLE(at, 0);
    const piece = block.subarray(0, sizeBytes - at);
    hash.update(piece);
    await handle.writeFile(piece);
  }
  return hash.digest('hex');
}
