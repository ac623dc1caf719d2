import { afterEach, expect, test } from 'vitest';
import { OutOfMemory } from '../../core/config/failures.ts';
import { readCalls, traceEnd } from '../../infra/cuda-check/trace.ts';
import type { Bench } from '../bench/gpu/phase.ts';
import { openBenchChain } from '../bench/gpu/train/bench-chain.ts';
import { TRAIN_PHASES } from '../bench/gpu/train/phases.ts';
import { trainingConfig } from '../bench/gpu/train/training-config.ts';
import { wholeModel } from '../bench/gpu/train/whole-model.ts';
import { temporaryFolder } from '../infra/observe.ts';

/* `npm run bench:gpu -- --train` on the fake CUDA: nobody has tried it on a GPU, so that all of it must run here. */

type Rows = Record<string, unknown>[];

afterEach(() => {
  delete process.env.FAKE_CUDA_FAULT;
});

function bench(): Bench & { rows: Rows } {
  const rows: Rows = [];
  return {
    device: 'cuda',
    batches: [1],
    passes: 1,
    images: 1,
    small: true,
    overrides: [],
    golden: null,
    folder: temporaryFolder(),
    rows,
    record: (row) => rows.push(row),
  };
}

async function phase(name: string): Promise<Rows> {
  const here = bench();
  await TRAIN_PHASES.find((one) => one.name === name)!.run(here);
  expect(here.rows.filter(({ error }) => error)).toEqual([]);
  return here.rows;
}

test('a block is timed in both groups', async () => {
  const rows = await phase('block');
  expect(rows.filter(({ group }) => group)).toMatchObject([{ group: 2 }, { group: 1 }]);
});

test('every parameter takes ten steps, and a head and a state on the host take four', async () => {
  for (const [name, steps] of [
    ['whole-6b', 10],
    ['upernet', 4],
    ['full-tuning', 4],
    ['host-state', 4],
  ] as const) {
    const rows = await phase(name);
    expect(rows.filter(({ step }) => step)).toHaveLength(steps);
    expect(rows.at(-1)).toMatchObject({ total: expect.any(Number), countedBytes: expect.any(Number) });
  }
});

test('what does not fit the device is tried with fewer blocks', async () => {
  const here = bench();
  const record: Bench['record'] = (row) => {
    here.rows.push(row);
    // From the first chain on.
    if ('deviceBytes' in row) process.env.FAKE_CUDA_FAULT = 'memory';
  };
  await expect(wholeModel({ ...here, record })).rejects.toBeInstanceOf(OutOfMemory);
  expect(here.rows.filter(({ refused }) => refused).map(({ blocks }) => blocks)).toEqual([4, 3, 2]);
});

test('numbers are compared in each precision, with TF32 and without', async () => {
  const rows = await phase('numbers');
  expect(rows.map(({ what }) => what)).toEqual([
    'CPU, float32',
    'CUDA, float32, use_tf32 1',
    'CUDA, float32, use_tf32 0',
    'CUDA, bfloat16',
    'CUDA, float32, use_tf32 0, state on the host',
    'CUDA, float32, use_tf32 0, one group',
  ]);
});

test.each([
  ['1', true],
  ['0', false],
])('use_tf32 %s decides whether a chain may round its products to TF32', async (use_tf32, isAllowed) => {
  const config = await trainingConfig(bench(), 'tiny_few_shot', 'run.precision=float32');
  const from = traceEnd();
  {
    using chain = await openBenchChain(config, { cuda: { use_tf32 } });
    chain.step(0);
  }
  const products = readCalls(from).filter(([kind]) => kind === 'B');
  expect(products.length).toBeGreaterThan(0);
  expect(products.some((call) => call.at(-1) === '3')).toBe(isAllowed);
});

test('copies are made from pageable memory and from pinned memory, each way', async () => {
  const from = traceEnd();
  const rows = await phase('copies');
  expect(rows.filter(({ gbPerSecond }) => gbPerSecond)).toHaveLength(8);
  const places = readCalls(from).flatMap(([kind, , , source, target]) =>
    kind === 'C' ? [`${source} ${target}`] : [],
  );
  expect(new Set(places)).toEqual(
    new Set(['pageable device', 'pinned device', 'device pageable', 'device pinned']),
  );
});
