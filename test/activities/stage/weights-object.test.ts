import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import type { CopyObject } from '../../../activities/stage/s3-copy.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { BadData, BadInput, NotFound, Unavailable } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import type { Store } from '../../../core/store.ts';
import { randomCheckpoint, sha256, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const { model } = tinyConfig();
const CHECKPOINT = randomCheckpoint(model);
const SOURCE = 's3://theirs/a folder/backbone.pth';
const DESTINATION = 's3://bucket/models/backbone.pth';

/** A store with a checkpoint of somebody's, one that copies unless it refuses to, and what stages it. */
function theirs({ refuses = false, bytes = CHECKPOINT } = {}) {
  const objects = new Map([[SOURCE, bytes]]);
  const memory = memoryStore(objects);
  const reads: string[] = [];
  const store: Store = {
    ...memory,
    read: async (uri, range) => {
      reads.push(uri);
      return memory.read(uri, range);
    },
  };
  const copies: string[] = [];
  const copyObject: CopyObject = async ({ uri }, to) => {
    if (refuses) return 'refused';
    copies.push(to);
    objects.set(to, objects.get(uri)!);
    return 'copied';
  };
  const scratchFolder = temporaryFolder();
  const hooks = { signal: new AbortController().signal, onProgress: () => {}, copyObject, scratchFolder };
  const stage = (destination = DESTINATION) => stageWeights(store, { source: SOURCE, destination }, hooks);
  const manifest = (of = DESTINATION) =>
    WeightsManifestSchema.parse(JSON.parse(objects.get(`${of}.manifest.json`)!.toString()));
  return { objects, store, reads, copies, scratchFolder, hooks, stage, manifest };
}

describe('a checkpoint in the object store', () => {
  test('is copied there, and its manifest says what it is and of which state', async () => {
    const { stage, objects, copies, manifest, store } = theirs();
    expect(await stage()).toMatchObject({ uri: DESTINATION, uploadedFiles: 1, totalFiles: 1 });
    expect(copies).toEqual([DESTINATION]);
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    const { etag } = await store.head(SOURCE);
    expect(manifest()).toMatchObject({
      file: { key: 'backbone.pth', sizeBytes: CHECKPOINT.length, sha256: sha256(CHECKPOINT) },
      source: { uri: SOURCE, etag, sizeBytes: CHECKPOINT.length },
    });
  });

  test('goes through the scratch folder where the store refuses to copy, and leaves nothing there', async () => {
    const { stage, objects, scratchFolder } = theirs({ refuses: true });
    await stage();
    expect(objects.get(DESTINATION)?.equals(CHECKPOINT)).toBe(true);
    expect(readdirSync(scratchFolder)).toEqual([]);
  });

  test('gets its manifest where it lies, if that is where it shall be', async () => {
    const { stage, copies, manifest } = theirs();
    expect(await stage(SOURCE)).toMatchObject({ uri: SOURCE, uploadedFiles: 0 });
    expect(copies).toEqual([]);
    expect(manifest(SOURCE).file.sha256).toBe(sha256(CHECKPOINT));
  });

  test('is known the second time: neither read nor copied', async () => {
    const { stage, reads, copies } = theirs();
    const first = await stage();
    reads.length = copies.length = 0;
    expect(await stage()).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
    expect(copies).toEqual([]);
    expect(reads).not.toContain(SOURCE);
  });

  test('that has changed is staged again; one that is only stored anew is not', async () => {
    const { stage, objects, copies, store } = theirs();
    await stage();
    objects.set(SOURCE, randomCheckpoint(model, 2));
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    expect(objects.get(DESTINATION)?.equals(objects.get(SOURCE)!)).toBe(true);
    copies.length = 0;
    const { head } = store;
    store.head = async (uri) => ({ ...(await head(uri)), ...(uri === SOURCE ? { etag: '"anew"' } : {}) });
    expect(await stage()).toMatchObject({ uploadedFiles: 0 });
    expect(copies).toEqual([]);
  });
});

describe('an object is refused', () => {
  test('that is not there, or is no checkpoint: nothing is copied', async () => {
    const gone = theirs();
    gone.objects.delete(SOURCE);
    await expect(gone.stage()).rejects.toThrow(NotFound);
    const other = theirs({ bytes: Buffer.from('<html>sign in</html>') });
    await expect(other.stage()).rejects.toThrow(BadData);
    await expect(other.stage()).rejects.toThrow(/^s3:\/\/theirs\/a folder\/backbone\.pth: .*HTML page/);
    expect(other.copies).toEqual([]);
  });

  test('that changes on its way through the scratch folder', async () => {
    const { stage, store, objects } = theirs({ refuses: true });
    const { head } = store;
    let asked = 0;
    store.head = async (uri) => ({
      ...(await head(uri)),
      ...(uri === SOURCE ? { etag: `"${++asked}"` } : {}),
    });
    await expect(stage()).rejects.toThrow(Unavailable);
    await expect(stage()).rejects.toThrow(`${SOURCE}: changed while it was being staged`);
    expect(objects.has(DESTINATION)).toBe(false);
  });

  test('by a store that cannot copy, where there is no scratch folder', async () => {
    const { store } = theirs();
    const hooks = { signal: new AbortController().signal, onProgress: () => {} };
    const refusal = stageWeights(store, { source: SOURCE, destination: DESTINATION }, hooks);
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('download it and stage the file');
  });
});
