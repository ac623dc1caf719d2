import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { decode, encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EvalInput } from '../../core/config/eval.ts';
import { damagedDataset, ROOT, startTessera, type Tessera } from './tessera.ts';

let tessera: Tessera;
beforeAll(async () => {
  tessera = await startTessera({ images: 8 });
});
afterAll(() => tessera[Symbol.asyncDispose]());

let count = 0;
/** Runs what must fail: one clear error, its type, one attempt of everything, nothing published. */
async function failureOf(input: EvalInput, type = 'EvalMIoU'): Promise<{ type: string; message: string }> {
  const workflowId = `bad-${++count}`;
  const handle = await tessera.session.client.workflow.start(type, {
    taskQueue: 'tessera',
    workflowId,
    args: [input],
  });
  const failure = await handle.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  const { events } = await handle.fetchHistory();
  for (const { activityTaskStartedEventAttributes: started } of events ?? [])
    expect(started?.attempt ?? 1).toBe(1);
  expect(await tessera.session.store.list(`${ROOT}/runs/${workflowId}/`)).toEqual([]);
  const { cause } = failure as WorkflowFailedError;
  expect(cause).toBeInstanceOf(ApplicationFailure);
  expect(cause!.message).not.toMatch(/\n\s+at /);
  return { type: String((cause as ApplicationFailure).type), message: cause!.message };
}

describe('the request', () => {
  it('names a bucket that does not exist', async () => {
    const failure = await failureOf(tessera.input({ weights: 's3://no-such-bucket/weights.pth' }));
    expect(failure).toEqual({ type: 'BadInput', message: 's3://no-such-bucket: the bucket does not exist' });
  });
  it('names a key that does not exist', async () => {
    const failure = await failureOf(tessera.input({ weights: `${ROOT}/weights/nothing.pth` }));
    expect(failure.message).toBe(`${ROOT}/weights/nothing.pth: does not exist`);
  });
  it('names a dataset that was not staged', async () => {
    const failure = await failureOf(tessera.input({ dataset: `${ROOT}/datasets/nothing` }));
    expect(failure.message).toContain(
      `${ROOT}/datasets/nothing/validation.manifest.json: does not exist. Stage it first`,
    );
  });
  it('has a typo in the config name', async () => {
    expect((await failureOf(tessera.input({ config: 'tinny' }))).message).toContain('did you mean tiny?');
  });
  it('has a typo in a config key', async () => {
    const failure = await failureOf(tessera.input({ overrides: ['run.bach=4'] }));
    expect(failure.message).toContain('unknown key run.bach; did you mean run.batch?');
  });
  it('has a typo in an input key', async () => {
    const input = { ...tessera.input(), wieghts: 's3://x/y' } as EvalInput;
    expect((await failureOf(input)).message).toContain('unknown key wieghts; did you mean weights?');
  });
  it('has a typo in the workflow type', async () => {
    expect(await failureOf(tessera.input(), 'EvalMiou')).toEqual({
      type: 'BadInput',
      message:
        'there is no workflow type EvalMiou; did you mean EvalMIoU? ' +
        'The types are EvalMIoU, ReproduceTable, StageDataset, StageWeights, Train',
    });
  });
  it('asks for CUDA where there is none', async () => {
    const failure = await failureOf(
      tessera.input({ overrides: ['run.device=cuda', 'run.precision=bfloat16'] }),
    );
    expect(failure.type).toBe('BadInput');
    expect(failure.message).toContain('CUDA is not available here');
  });
  it('names a checkpoint of another shape', async () => {
    const failure = await failureOf(
      tessera.input({ overrides: ['model.backbone.embedDim=64', 'model.head.channels=64'] }),
    );
    expect(failure.message).toMatch(
      /backbone\.cls_token has shape \[1, 1, 128\], but the config's model needs \[1, 1, 64\]|pos_embed has shape/,
    );
  });
});

describe('the data', () => {
  it('has a corrupt JPEG', async () => {
    const damage = { image: (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1) };
    const { dataset, id } = await damagedDataset(tessera, 'corrupt-jpeg', damage);
    const failure = await failureOf(tessera.input({ dataset }));
    expect(failure.type).toBe('BadData');
    expect(failure.message).toContain(`${dataset}/images/validation/${id}.jpg: not a readable image`);
  });
  it('has an annotation of another size than its image', async () => {
    const annotation = () =>
      Buffer.from(encode({ width: 5, height: 4, channels: 1, depth: 8, data: new Uint8Array(20) }));
    const { dataset, id } = await damagedDataset(tessera, 'other-size', { annotation });
    const failure = await failureOf(tessera.input({ dataset }));
    expect(failure.message).toMatch(
      new RegExp(`annotations/validation/${id}.png: 5×4 px, but its image is \\d+×\\d+`),
    );
  });
  it('has a label that no class has', async () => {
    const annotation = (bytes: Buffer) => {
      const png = decode(bytes);
      png.data[7] = 151;
      return Buffer.from(encode({ ...png, channels: 1, depth: 8, data: png.data as Uint8Array }));
    };
    const { dataset, id } = await damagedDataset(tessera, 'label-151', { annotation });
    const failure = await failureOf(tessera.input({ dataset }));
    expect(failure.message).toContain(
      `annotations/validation/${id}.png: label 151 at x=7, y=0; expected 0 to 150, or 255`,
    );
  });
});

describe('the weights', () => {
  it('were truncated after staging', async () => {
    const { store } = tessera.session;
    const weights = `${ROOT}/weights/truncated.pth`;
    const bytes = await store.read(`${ROOT}/weights/backbone.pth`);
    await store.write(weights, bytes.subarray(0, bytes.length - 1000));
    await store.write(
      `${weights}.manifest.json`,
      await store.read(`${ROOT}/weights/backbone.pth.manifest.json`),
    );
    const failure = await failureOf(tessera.input({ weights }));
    expect(failure).toMatchObject({ type: 'BadData' });
    expect(failure.message).toContain('truncated');
  });
  it('are not the bytes that their manifest tells', async () => {
    const { store } = tessera.session;
    const weights = `${ROOT}/weights/changed.pth`;
    const manifest = JSON.parse((await store.read(`${ROOT}/weights/backbone.pth.manifest.json`)).toString());
    await store.write(weights, await store.read(`${ROOT}/weights/backbone.pth`));
    manifest.file.sha256 = '0'.repeat(64);
    await store.write(`${weights}.manifest.json`, Buffer.from(JSON.stringify(manifest)));
    const failure = await failureOf(tessera.input({ weights }));
    expect(failure.type).toBe('BadData');
    expect(failure.message).toMatch(/changed\.pth: SHA-256 is .* but its manifest says 0000/);
  });
  it('are truncated before staging: refused there', async () => {
    const file = path.join(tessera.state, 'cut.pth');
    const bytes = await tessera.session.store.read(`${ROOT}/weights/backbone.pth`);
    await writeFile(file, bytes.subarray(0, 50_000));
    const input = { source: file, destination: `${ROOT}/weights/cut.pth` };
    const failure = await failureOf(input as never, 'StageWeights');
    expect(failure.type).toBe('BadData');
    expect(failure.message).toContain('truncated');
  });
  it('hold a pickle that would run a command: refused by name', async () => {
    const file = path.join(tessera.state, 'evil.pth');
    await writeFile(file, evilCheckpoint());
    const failure = await failureOf(
      { source: file, destination: `${ROOT}/weights/evil.pth` } as never,
      'StageWeights',
    );
    expect(failure.type).toBe('BadData');
    expect(failure.message).toMatch(/evil\.pth.*(os|posix)\.system/s);
  });
});

/** A zip with one stored `archive/data.pkl` that calls os.system when it is loaded by Python. */
function evilCheckpoint(): Buffer {
  const pickle = Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.', 'latin1');
  const name = Buffer.from('archive/data.pkl');
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt32LE(pickle.length, 18);
  local.writeUInt32LE(pickle.length, 22);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt32LE(pickle.length, 20);
  central.writeUInt32LE(pickle.length, 24);
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + pickle.length, 16);
  return Buffer.concat([local, name, pickle, central, name, end]);
}
