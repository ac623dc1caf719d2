import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { eventFileUri } from '../../../core/tensorboard/event-files.ts';
import { readLog } from '../../../core/train/train-log.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { trackerPrograms } from '../../tracker-python.ts';
import { segment, trainable, trainRun } from './training-run.ts';

/* What a training writes for TensorBoard, read by TensorBoard. */
const READ = `
import json, sys
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata
records = sum(1 for _ in RawEventFileLoader(sys.argv[2]).Load())
events = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
tags = {tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}
tags = tags or {tag: [[e.step, float(e.tensor_proto.float_val[0]), e.wall_time] for e in events.Tensors(tag)] for tag in events.Tags()['tensors']}
content = events.SummaryMetadata('_hparams_/session_start_info').plugin_data.content
hparams = metadata.parse_session_start_info_plugin_data(content).hparams
print(json.dumps({'records': records, 'tags': tags, 'lr': hparams['train.optimizer.lr'].number_value, 'name': hparams['name'].string_value}))
`;

interface Read {
  records: number;
  tags: Record<string, [step: number, value: number, seconds: number][]>;
  lr: number;
  name: string;
}

let bin: string | null;
let reason: string | null;
beforeAll(async () => {
  ({ bin, reason } = await trackerPrograms('tensorboard'));
}, 180_000);

function readEvents(bytes: Uint8Array): Read {
  const folder = path.join(temporaryFolder(), 'events');
  mkdirSync(folder);
  const file = path.join(folder, 'events.out.tfevents.tessera');
  writeFileSync(file, bytes);
  const out = execFileSync(path.join(bin!, 'python'), ['-W', 'ignore', '-c', READ, folder, file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(out.toString());
}

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
  const { records, tags, lr, name } = readEvents(after);
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

test('a training that isn’t asked for it writes no event file', async () => {
  const objects = new Map<string, Buffer>();
  await segment(memoryStore(objects));
  expect([...objects.keys()].filter((key) => key.includes('tfevents'))).toEqual([]);
});
