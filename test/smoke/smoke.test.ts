import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../activities/deliver/memory-store.ts';
import { BadInput } from '../../core/config/failures.ts';
import { tinyConfig } from '../builders.ts';
import { temporaryFolder } from '../infra/observe.ts';
import type { Phase } from './phases.ts';
import { type SmokeOptions, smoke } from './smoke.ts';

const UPERNET = '{"type":"upernet","channels":8,"poolScales":[1,2],"classes":5}';

function tinySmoke(changes: Partial<SmokeOptions> = {}) {
  const stateFolder = temporaryFolder();
  const phases: Phase[] = [];
  const objects = new Map<string, Buffer>();
  const options: SmokeOptions = {
    session: { store: memoryStore(objects), bucket: 'bucket' },
    stateFolder,
    folder: join(stateFolder, 'smoke'),
    threads: 1,
    minFreeBytes: 0,
    linear: tinyConfig('model.backbone.depth=6', 'model.backbone.taps=[4]'),
    upernet: tinyConfig('model.backbone.depth=6', 'model.backbone.taps=[0,1,2,5]', `model.head=${UPERNET}`),
    onPhase: (phase) => phases.push(phase),
    onStep() {},
    ...changes,
  };
  return { options, phases, objects };
}

test('goes the whole way with a small model, phase by phase, and leaves nothing behind', async () => {
  const { options, phases, objects } = tinySmoke();
  const { peakBytes } = await smoke(options);
  const names = phases.map(({ name, notes }) => `${name}: ${notes}`);
  expect(names).toEqual([
    expect.stringMatching(/^make checkpoints: .*bfloat16 backbone of 6 blocks$/),
    'stage to S3: uploaded, hashed, indexed',
    expect.stringMatching(/^fetch to the cache: .* verified/),
    expect.stringMatching(/^embedding and blocks: 6 sessions/),
    expect.stringMatching(/^linear head: 1 sessions.*logits \[1, 150, 2, 2\], finite/),
    expect.stringMatching(/^UperNet: 2 sessions.*logits \[1, 5, 8, 8\], finite/),
  ]);
  for (const { name, seconds } of phases) expect(seconds, name).toBeGreaterThan(0);
  expect(peakBytes).toBeGreaterThan(0);
  expect([...objects.keys()]).toEqual([]);
  expect(existsSync(options.folder)).toBe(false);
});

test('a disk with too little room is said before anything is made', async () => {
  const { options, phases } = tinySmoke({ minFreeBytes: 2 ** 60 });
  await expect(smoke(options)).rejects.toThrow(BadInput);
  await expect(smoke(options)).rejects.toThrow(/of disk are free, and .* GB are needed/);
  expect(phases).toEqual([]);
});
