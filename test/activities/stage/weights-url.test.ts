import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { probe } from '../../../activities/http-remote.ts';
import { downloadUrl } from '../../../activities/stage/download-url.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { BadData, BadInput, Unavailable } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import type { Store } from '../../../core/store.ts';
import { randomCheckpoint, sha256, tinyConfig } from '../../builders.ts';
import { startNode, temporaryFolder, until } from '../../infra/observe.ts';
import { fileServer } from './file-server.ts';

const { model } = tinyConfig();
const CHECKPOINT = randomCheckpoint(model);
const HALF = CHECKPOINT.length >> 1;
const DESTINATION = 's3://bucket/models/backbone.pth';

/** A server with a checkpoint, and what stages it from there. */
async function served(options: Parameters<typeof fileServer>[1] = {}, bytes = CHECKPOINT) {
  const scratchFolder = temporaryFolder();
  const server = await fileServer(bytes, options, (count) => largestFile(scratchFolder) >= count);
  const objects = new Map<string, Buffer>();
  const memory = memoryStore(objects);
  const writes: string[] = [];
  const store: Store = {
    ...memory,
    write: async (uri, body) => {
      writes.push(uri);
      await memory.write(uri, body);
    },
    upload: async (uri, file) => {
      writes.push(uri);
      await memory.upload(uri, file);
    },
  };
  const progress: [number, number][] = [];
  const stage = ({ source = server.url, signal = new AbortController().signal } = {}) =>
    stageWeights(
      store,
      { source, destination: DESTINATION },
      { signal, scratchFolder, backoffMs: 1, onProgress: (done, total) => progress.push([done, total]) },
    );
  const manifest = () =>
    WeightsManifestSchema.parse(JSON.parse(objects.get(`${DESTINATION}.manifest.json`)!.toString()));
  const ranges = () => server.requests.map(({ range }) => range);
  return { ...server, scratchFolder, objects, store, writes, progress, stage, manifest, ranges };
}

describe('a checkpoint behind a URL', () => {
  test('lies at its destination, and the manifest tells where it came from, without the signature', async () => {
    const { stage, url, objects, manifest, scratchFolder, progress } = await served();
    const staged = await stage({ source: `${url}?X-Amz-Signature=secret#top` });
    expect(staged).toMatchObject({ uploadedFiles: 1, uploadedBytes: CHECKPOINT.length, totalFiles: 1 });
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(manifest().file.sha256).toBe(sha256(CHECKPOINT));
    expect(manifest().source).toEqual({ uri: url, etag: '"1"', sizeBytes: CHECKPOINT.length });
    expect(manifest().tensors.length).toBeGreaterThan(10);
    expect(readdirSync(scratchFolder)).toEqual([]);
    const done = progress.map(([bytes]) => bytes);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    // A third of the way is the download.
    expect(done[0]).toBeLessThanOrEqual(CHECKPOINT.length / 3);
  });

  test.each([
    ['by its ETag', { etag: '"1"' }],
    ['by a weak ETag', { etag: 'W/"1"' }],
    ['by the time of its last change', { etag: undefined, lastModified: 'Mon, 05 Jan 2026 10:00:00 GMT' }],
    ['on a server without ranges', { ranges: false }],
  ])('is known the second time %s: not downloaded, nothing written', async (_, options) => {
    const { stage, writes, requests } = await served(options);
    const first = await stage();
    writes.length = 0;
    requests.length = 0;
    expect(await stage()).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
    expect(writes).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  test('of which the server tells nothing is downloaded again, and not uploaded if its bytes are the same', async () => {
    const { stage, writes, requests } = await served({ etag: undefined });
    const first = await stage();
    writes.length = 0;
    requests.length = 0;
    expect(await stage()).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
    expect(writes).toEqual([]);
    expect(requests.at(-1)?.bodyBytes).toBe(CHECKPOINT.length);
  });

  test('is asked for as it is, so that ranges are of the file itself', async () => {
    const { stage, requests } = await served({ gzip: 'where wanted' });
    await stage();
    expect(requests[0]).toMatchObject({ status: 206, bodyBytes: 1 });
  });

  test('that has changed, or is no longer whole in the store, is staged again', async () => {
    const { stage, served: file, objects, manifest } = await served();
    await stage();
    objects.set(DESTINATION, CHECKPOINT.subarray(0, 100));
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    Object.assign(file, { bytes: randomCheckpoint(model, 2), etag: '"2"' });
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    expect(objects.get(DESTINATION)?.equals(file.bytes)).toBe(true);
    expect(manifest().source?.etag).toBe('"2"');
  });

  test('keeps its origin when the same bytes come from a file of this machine', async () => {
    const { stage, manifest, requests } = await served();
    await stage();
    const source = join(temporaryFolder(), 'local.pth');
    writeFileSync(source, CHECKPOINT);
    await stage({ source });
    expect(manifest().source?.etag).toBe('"1"');
    requests.length = 0;
    expect(await stage()).toMatchObject({ uploadedFiles: 0 });
    expect(requests).toHaveLength(1);
  });
});

describe('a download that is interrupted', () => {
  test('goes on where the connection broke', async () => {
    const { stage, faults, ranges, objects } = await served();
    faults.push(null, { dropAfter: HALF });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(ranges()).toEqual(['bytes=0-0', undefined, 'bytes=0-0', `bytes=${HALF}-`]);
  });

  test('goes on by the time of the last change, where ETags are weak', async () => {
    const lastModified = 'Mon, 05 Jan 2026 10:00:00 GMT';
    const { stage, faults, requests, objects } = await served({ etag: 'W/"1"', lastModified });
    faults.push(null, { dropAfter: HALF });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(requests.at(-1)).toMatchObject({ status: 206, bodyBytes: CHECKPOINT.length - HALF });
  });

  test('begins anew where the server has no ranges, and has the right bytes', async () => {
    const { stage, faults, requests, objects } = await served({ ranges: false });
    faults.push(null, { dropAfter: HALF });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(requests.at(-1)).toMatchObject({ status: 200, bodyBytes: CHECKPOINT.length });
  });

  test('begins anew where the server tells neither ETag nor time: it might be another file', async () => {
    const { stage, faults, requests, objects } = await served({ etag: undefined });
    faults.push(null, { dropAfter: HALF });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(requests.at(-1)).toMatchObject({ status: 200, bodyBytes: CHECKPOINT.length });
  });

  test('and whose file changed meanwhile has the new bytes only', async () => {
    const { stage, faults, served: file, objects, manifest, scratchFolder } = await served();
    const stop = new AbortController();
    faults.push(null, { stallAfter: HALF });
    const first = stage({ signal: stop.signal });
    await untilHalf(scratchFolder);
    stop.abort();
    await expect(first).rejects.toThrow(/abort/i);
    Object.assign(file, { bytes: randomCheckpoint(model, 2), etag: '"2"' });
    await stage();
    expect(objects.get(DESTINATION)?.equals(file.bytes)).toBe(true);
    expect(manifest().source?.etag).toBe('"2"');
    // The old beginning is gone as well.
    expect(readdirSync(scratchFolder)).toEqual([]);
  });

  test.each([true, false])(
    'and whose file changes just then is not put together from both (server looks at If-Range: %s)',
    async (conditions) => {
      const { stage, faults, objects, manifest } = await served({ conditions });
      const bytes = randomCheckpoint(model, 2);
      // The last probe has still seen the old file.
      faults.push(null, { dropAfter: HALF }, null, { change: { bytes, etag: '"2"' } });
      await stage();
      expect(objects.get(DESTINATION)?.equals(bytes)).toBe(true);
      expect(manifest()).toMatchObject({ file: { sha256: sha256(bytes) }, source: { etag: '"2"' } });
    },
  );

  test('by a kill goes on in the next process', async () => {
    const { stage, url, faults, requests, objects, scratchFolder } = await served();
    faults.push(null, { stallAfter: HALF });
    const program = `
      import { stageWeights } from './activities/stage/stage-weights.ts';
      import { memoryStore } from './activities/deliver/memory-store.ts';
      const hooks = {
        signal: new AbortController().signal,
        onProgress: () => {},
        scratchFolder: ${JSON.stringify(scratchFolder)},
      };
      stageWeights(memoryStore(), { source: '${url}', destination: '${DESTINATION}' }, hooks);`;
    const { child } = startNode(['--import', 'tsx', '--input-type=module', '-e', program]);
    await untilHalf(scratchFolder);
    child.kill('SIGKILL');
    requests.length = 0;
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(requests.at(-1)).toMatchObject({ range: `bytes=${HALF}-`, status: 206 });
  });

  test('after it was whole is not repeated: a lost store costs no second download', async () => {
    const { stage, store, requests, objects } = await served();
    const { upload } = store;
    store.upload = async () => {
      throw new Unavailable('s3://bucket: S3 did not answer as it should');
    };
    await expect(stage()).rejects.toThrow(Unavailable);
    store.upload = upload;
    requests.length = 0;
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(requests.map(({ range }) => range)).toEqual(['bytes=0-0']);
  });
});

test('a store that is away is no reason to send all again', async () => {
  const { stage, store, writes } = await served();
  await stage();
  writes.length = 0;
  store.head = async (uri) => {
    throw new Unavailable(`${uri}: S3 did not answer as it should`);
  };
  await expect(stage()).rejects.toThrow(Unavailable);
  expect(writes).toEqual([]);
});

describe('a server that fails', () => {
  test('for now is asked again', async () => {
    const { stage, faults, objects } = await served();
    faults.push({ status: 500 }, null, { status: 503 }, { status: 429 });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
  });

  test('again and again is Unavailable after five requests', async () => {
    const { stage, faults, requests } = await served();
    faults.push(...new Array(20).fill({ status: 500 }));
    await expect(stage()).rejects.toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringMatching(/backbone\.pth: the server answers 500/),
    });
    expect(requests).toHaveLength(5);
  });

  test('that breaks each connection at the same place does not go on for ever', async () => {
    const { stage, faults, requests } = await served({ ranges: false });
    faults.push(null, ...new Array(20).fill([{ dropAfter: HALF }, null]).flat());
    await expect(stage()).rejects.toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringContaining('the connection was lost'),
    });
    expect(requests.length).toBeLessThan(12);
  });

  test('whose connections break often, but each after a good piece, gets there', async () => {
    const piece = 16 << 20;
    const { url, faults, scratchFolder } = await served({}, Buffer.alloc(6 * piece + 1, 'Tessera'));
    faults.push(null, ...new Array(6).fill([{ dropAfter: piece }, null]).flat());
    const hooks = { signal: new AbortController().signal, onBytes: () => {}, backoffMs: 1 };
    const remote = await probe(new URL(url), url, hooks.signal);
    const { file } = await downloadUrl({ url: new URL(url), name: url, remote, scratchFolder }, hooks);
    expect(statSync(file).size).toBe(6 * piece + 1);
  });

  test('that is not there at all is Unavailable', async () => {
    const { stage } = await served();
    await expect(stage({ source: 'http://127.0.0.1:1/x.pth' })).rejects.toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringMatching(/127\.0\.0\.1:1\/x\.pth: the connection was lost/),
    });
  });

  test.each([404, 403, 401, 410])('with %i is asked once: it names something wrong', async (status) => {
    const { stage, faults, requests } = await served();
    faults.push({ status });
    const refusal = stage();
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(`/models/backbone.pth: the server answers ${status}`);
    expect(requests).toHaveLength(1);
  });
});

describe('a URL is refused at once', () => {
  const HTML = { 'content-type': 'text/html; charset=utf-8' };
  const XML = { 'content-type': 'application/xml' };
  const expired = '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>';

  test.each([
    ['that gives a web page: a sign-in', { status: 200, headers: HTML }, /sends a web page: a sign-in page/],
    [
      'before which a proxy wants a sign-in',
      { status: 407 },
      /a proxy before the server wants a sign-in \(407\)/,
    ],
    [
      'in a network that wants a sign-in',
      { status: 511, headers: HTML },
      /answers 511 .* the network wants a sign-in/,
    ],
    [
      'whose signature has expired',
      { status: 403, headers: XML, body: expired },
      /answers 403 Forbidden \(AccessDenied: Request has expired\); make a new signed URL/,
    ],
  ])('%s', async (_, fault, says) => {
    const { stage, faults, requests } = await served();
    faults.push(fault);
    await expect(stage()).rejects.toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringMatching(says),
    });
    expect(requests).toHaveLength(1);
  });

  test('that speaks no TLS', async () => {
    const { stage, url } = await served();
    await expect(stage({ source: url.replace('http:', 'https:') })).rejects.toMatchObject({
      failureClass: 'BadInput',
      message: expect.stringContaining('the server does not speak TLS here: use http://'),
    });
  });
});

test('a server that asks to wait is not asked again before', async () => {
  const { stage, faults, requests } = await served();
  faults.push({ status: 429, headers: { 'retry-after': '30' } });
  const stop = new AbortController();
  const staging = stage({ signal: stop.signal });
  staging.catch(() => {});
  await until('the first request', () => requests.length > 0);
  // Without the header the next request would come after a millisecond, and all be staged.
  await sleep(300);
  stop.abort(new Error('stopped'));
  await expect(staging).rejects.toThrow();
  expect(requests).toHaveLength(1);
});

describe('a URL is refused', () => {
  test('whose file is no checkpoint, and nothing of it stays', async () => {
    const { stage, url, objects, scratchFolder } = await served({}, Buffer.from('<html>sign in</html>'));
    const refusal = stage({ source: `${url}?token=secret` });
    await expect(refusal).rejects.toThrow(BadData);
    await expect(refusal).rejects.toThrow(new RegExp(`^${url}: .*HTML page`));
    expect([...objects.keys()]).toEqual([]);
    expect(readdirSync(scratchFolder)).toEqual([]);
  });

  test.each([
    ['tell', { ranges: false, length: false }],
    ['tell but compressed', { gzip: 'always' as const }],
  ])('whose size the server does not %s', async (_, options) => {
    const { stage } = await served(options);
    await expect(stage()).rejects.toThrow(BadInput);
    await expect(stage()).rejects.toThrow("the server does not tell the file's size");
  });

  test('with a password in it, which is not repeated', async () => {
    const { stage } = await served();
    const refusal = stage({ source: 'https://me:pass@example.org/x.pth' });
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(/^https:\/\/example\.org\/x\.pth: a password/);
  });
});

/** Until half of the checkpoint lies in the folder. */
function untilHalf(folder: string): Promise<void> {
  return until('half of the file', () => largestFile(folder) === HALF);
}

function largestFile(folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((file) => statSync(join(folder, file)).size));
}
