import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import { randomCheckpoint, randomTensors, sha256, tinyConfig } from '../../builders.ts';
import { dict, pickle, torchZip } from '../../core/checkpoint/hand-made.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const { model } = tinyConfig();
const DESTINATION = 's3://bucket/models/backbone.pth';
const HOOKS = { signal: new AbortController().signal, onProgress: () => {} };

/** A file to be staged, with what stages it. */
function weightsFile(bytes: Uint8Array = randomCheckpoint(model)) {
  const source = join(temporaryFolder(), 'x.pth');
  writeFileSync(source, bytes);
  const objects = new Map<string, Buffer>();
  const store = memoryStore(objects);
  const stage = () => stageWeights(store, { source, destination: DESTINATION }, HOOKS);
  return { source, bytes, objects, store, stage };
}

test('a checkpoint lies at its destination, with its digest and a table of its tensors beside it', async () => {
  const { stage, objects, bytes } = weightsFile();
  const staged = await stage();
  expect(staged).toMatchObject({
    uri: DESTINATION,
    uploadedFiles: 1,
    uploadedBytes: bytes.length,
    totalFiles: 1,
  });
  expect(objects.get(DESTINATION)?.equals(bytes)).toBe(true);

  const manifestBytes = objects.get(`${DESTINATION}.manifest.json`)!;
  expect(staged).toMatchObject({
    manifestUri: `${DESTINATION}.manifest.json`,
    manifestSha256: sha256(manifestBytes),
  });
  const manifest = WeightsManifestSchema.parse(JSON.parse(manifestBytes.toString()));
  expect(manifest.file).toEqual({ key: 'backbone.pth', sizeBytes: bytes.length, sha256: sha256(bytes) });

  const written = randomTensors(model);
  expect(manifest.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(
    written.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  );
  // The byte ranges are those of the tensors.
  manifest.tensors.forEach(({ offset, length }, i) => {
    expect(
      Buffer.from(bytes)
        .subarray(offset, offset + length)
        .equals(written[i]!.data as Uint8Array),
    ).toBe(true);
  });
});

describe('staging again', () => {
  test('uploads nothing', async () => {
    const { stage } = weightsFile();
    const first = await stage();
    expect(await stage()).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
  });

  test('uploads what changed, or what is no longer whole', async () => {
    const { stage, source, objects } = weightsFile();
    await stage();
    const other = randomCheckpoint(model, 2);
    writeFileSync(source, other);
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    expect(objects.get(DESTINATION)?.equals(other)).toBe(true);

    objects.set(DESTINATION, other.subarray(0, -1));
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    objects.delete(DESTINATION);
    expect(await stage()).toMatchObject({ uploadedFiles: 1 });
    expect(objects.get(DESTINATION)?.equals(other)).toBe(true);
  });
});

describe('a file is refused, and nothing of it is uploaded', () => {
  test.each([
    ['that is no checkpoint', Buffer.from('<html>sign in</html>'), BadData, /x\.pth.*HTML page/],
    ['that is cut off', randomCheckpoint(model).subarray(0, 5000), BadData, /x\.pth/],
    [
      'whose pickle calls os.system',
      torchZip(pickle('cposix\nsystem\n(', 'X\x04\0\0\0exit', 'tR')),
      BadData,
      /posix\.system/,
    ],
    [
      'that hides a call among its tensors',
      torchZip(pickle(dict({ weight: 'cbuiltins\neval\n(X\x01\0\0\x001tR' }))),
      BadData,
      /builtins\.eval/,
    ],
  ])('%s', async (_, bytes, kind, message) => {
    const { stage, objects } = weightsFile(bytes);
    await expect(stage()).rejects.toThrow(kind);
    await expect(stage()).rejects.toThrow(message);
    expect([...objects.keys()]).toEqual([]);
  });

  test('that is not there', async () => {
    const request = { source: '/no/such.pth', destination: DESTINATION };
    const refusal = stageWeights(memoryStore(), request, HOOKS);
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('/no/such.pth: no such file');
  });
});

test('progress goes up to the whole size, and a stop is heard', async () => {
  const { store, source, bytes } = weightsFile();
  const progress: number[][] = [];
  const onProgress = (done: number, total: number) => void progress.push([done, total]);
  await stageWeights(store, { source, destination: DESTINATION }, { ...HOOKS, onProgress });
  expect(progress.at(-1)).toEqual([bytes.length, bytes.length]);
  expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a! - b!));

  const signal = AbortSignal.abort();
  const stopped = stageWeights(store, { source, destination: `${DESTINATION}2` }, { ...HOOKS, signal });
  await expect(stopped).rejects.toThrow(/abort/i);
});
