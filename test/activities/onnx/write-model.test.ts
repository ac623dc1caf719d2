import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { prepareFeatures } from '../../../activities/train/features/prepare-features.ts';
import { Unavailable } from '../../../core/config/failures.ts';
import { randomCheckpoint } from '../../builders.ts';
import { fillDisk, mount } from '../../infra/mount.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { trainable } from '../train/training-run.ts';

const config = trainable();

test.for([
  ['segmenter', prepareModel],
  ['features', prepareFeatures],
] as const)(
  'a %s’s file that finds the disk full is told of by its folder, and leaves nothing',
  async ([kind, prepare], { skip }) => {
    const file = join(temporaryFolder(), 'x.pth');
    writeFileSync(file, randomCheckpoint(config.model));
    const folder = temporaryFolder();
    if (!mount(folder, '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs')) skip('needs the right to mount');
    const makeRoom = fillDisk(folder);
    const writing = prepare(folder, [{ name: 'x.pth', file }], config);
    await expect(writing).rejects.toThrow(Unavailable);
    await expect(writing).rejects.toThrow(
      new RegExp(`^${folder}: the disk is full; a model file needs [\\d.]+ kB: .*TESSERA_CACHE`),
    );
    expect(readdirSync(folder)).toEqual(['filler']);
    makeRoom();
    const { modelFile } = await prepare(folder, [{ name: 'x.pth', file }], config);
    expect(modelFile).toMatch(new RegExp(`^${folder}/${kind}-`));
    expect(readdirSync(folder)).toHaveLength(1);
  },
);
