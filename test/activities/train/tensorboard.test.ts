import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { eventFileUri } from '../../../core/tensorboard/event-files.ts';
import { readLog } from '../../../core/train/train-log.ts';
import { readEvents } from '../../read-events.ts';
import { trackerPrograms } from '../../tracker-python.ts';
import { segment, trainable, trainRun } from './training-run.ts';

/* What a training writes for TensorBoard, read by TensorBoard. */
let bin: string | null;
let reason: string | null;
beforeAll(async () => {
  ({ bin, reason } = await trackerPrograms('tensorboard'));
}, 180_000);

const run = trainRun({ config: trainable('run.report.tensorboard=true') });
const uri = eventFileUri(run.prefix);

test('TensorBoard reads a lost and resumed training’s steps, each once, with the log’s values', async ({
  skip,
}) => {
  skip(bin === null, reason ?? '');
  const objects = new Map<string, Buffer>();
  const store = memoryStore(objects);
  await segment(store, { run, until: 10 });
  const before = Buffer.from(await store.read(uri));
  const onNext = (step: number) => {
    if (step === 17) throw new Error('killed');
  };
  await expect(segment(store, { run, until: 20, onNext })).rejects.toThrow('killed');
  await segment(store, { run, until: 20 });
  const after = await store.read(uri);
  // What a TensorBoard that follows the file has read stays where it was.
  expect(after.subarray(0, before.length).equals(before)).toBe(true);
  const { records, tags, lr, name } = readEvents(bin!, after);
  const lines = (await readLog(store, run.prefix)).filter(({ mode }) => mode === 'train');
  expect(lines.map(({ iter }) => iter)).toEqual([3, 6, 9, 12, 15, 18]);
  expect(records).toBe(2 + lines.length);
  expect(Object.keys(tags).sort()).toEqual([
    'learning_rate',
    'speed/crops_per_second',
    'speed/data_seconds_per_step',
    'speed/feature_workers',
    'speed/seconds_per_step',
    'train/decode.acc_seg',
    'train/decode.loss_ce',
    'train/loss',
  ]);
  for (const [i, line] of lines.entries()) {
    const [step, value, seconds] = tags['train/loss']![i]!;
    expect(step).toBe(line.iter);
    expect(value).toBeCloseTo(Number(line.loss), 6);
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
  }
  expect({ lr, name }).toEqual({ lr: 0.01, name: 'test' });
});

test('a training goes on where its event file may not be written, and says so', async () => {
  const store = memoryStore();
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());
  const write: typeof store.write = async (at, ...rest) => {
    if (at === uri) throw new BadInput(`${at}: access denied`);
    await store.write(at, ...rest);
  };
  const { checkpoint } = await segment({ ...store, write }, { run });
  expect(checkpoint.step).toBe(20);
  expect(await readLog(store, run.prefix)).toHaveLength(7);
  expect(said).toHaveBeenCalledWith(`${uri} is left out: ${uri}: access denied`);
});

test('a training that isn’t asked for it writes no event file', async () => {
  const objects = new Map<string, Buffer>();
  await segment(memoryStore(objects));
  expect([...objects.keys()].filter((key) => key.includes('tfevents'))).toEqual([]);
});
