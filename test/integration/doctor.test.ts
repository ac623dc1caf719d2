import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finding, FindingSchema } from '../../cli/doctor/finding.ts';
import { clock } from '../../cli/doctor/s3.ts';
import { ROOT } from '../infra/observe.ts';
import { startTessera, type Tessera } from './tessera.ts';

let tessera: Tessera;

beforeAll(async () => {
  tessera = await startTessera({ images: 2 });
});
afterAll(() => tessera[Symbol.asyncDispose]());

/** The findings of a child process, by area and what was checked. */
async function doctor(env: NodeJS.ProcessEnv = {}) {
  const args = [path.join(ROOT, 'cli/tessera.mjs'), 'doctor', '--json'];
  const options = { env: { ...process.env, KUBECONFIG: '', ...env } };
  const { stdout, code } = await promisify(execFile)(process.execPath, args, options)
    .then((ended) => ({ ...ended, code: 0 }))
    .catch((error: { stdout: string; code: number }) => error);
  const findings = FindingSchema.array().parse(JSON.parse(stdout).findings);
  const of = (area: Finding['area'], what: string) =>
    findings.find((finding) => finding.area === area && finding.what === what);
  return { findings, of, code };
}

describe('tessera doctor', () => {
  it('finds a working stack well', async () => {
    const { findings, of, code } = await doctor();
    expect(findings.filter(({ state }) => state === 'failed')).toEqual([]);
    expect(code).toBe(0);
    expect(of('Temporal', 'control worker')?.detail).toMatch(/task queue tessera$/);
    expect(of('S3', 'conditional writes')?.detail).toBe('honoured');
    expect(of('S3', 'clock')?.state).toBe('ok');
  });

  it('leaves nothing in the bucket', async () => {
    await doctor();
    const left = await tessera.session.store.list(`s3://${tessera.session.bucket}/runs`);
    expect(left).toEqual([]);
  });

  it('names the variable of a server that is away, and goes on with the others', async () => {
    const { of, code } = await doctor({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(of('Temporal', 'server')).toMatchObject({
      state: 'failed',
      detail: expect.stringContaining('no server answers at 127.0.0.1:1'),
      remedy: expect.stringContaining('TEMPORAL_ADDRESS'),
    });
    expect(of('S3', 'list')?.state).toBe('ok');
    expect(code).toBe(1);
  });

  it('says which namespace or bucket is missing, or that nobody may enter', async () => {
    const namespace = await doctor({ TEMPORAL_NAMESPACE: 'elsewhere' });
    expect(namespace.of('Temporal', 'namespace')?.detail).toContain('no namespace elsewhere');
    const bucket = await doctor({ TESSERA_BUCKET: 'no-such-bucket' });
    expect(bucket.of('S3', 'list')?.detail).toContain('no-such-bucket');
    const stranger = await doctor({ AWS_ACCESS_KEY_ID: 'stranger' });
    expect(stranger.of('S3', 'list')).toMatchObject({
      state: 'failed',
      remedy: expect.stringContaining('credentials'),
    });
  });

  it('says what a KUBECONFIG that can be read by nobody means', async () => {
    const { of } = await doctor({ KUBECONFIG: '/no/such/file' });
    expect(of('Kubernetes', 'cluster')?.detail).toContain("KUBECONFIG (/no/such/file) can't be used");
  });

  it('tells a clock that is off from one that breaks signatures', () => {
    const at = (seconds: number) => clock(new Date(1e12).toUTCString(), 1e12 + seconds * 1000);
    expect(at(3).state).toBe('ok');
    expect(at(-200)).toMatchObject({ state: 'note', detail: "200 s behind the store's" });
    expect(at(2_000).state).toBe('failed');
  });
});
