import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { withRoom } from '../../activities/disk-room.ts';
import { loadClasses, loadVitConfig } from '../../activities/plan/load-config.ts';
import { type TensorToWrite, writeTorchFile } from '../../core/checkpoint/torch-writer.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';
import { writeMiniAde } from './mini-ade.ts';
import { patchSamples } from './patch-samples.ts';
import { fitHead, randomBackbone } from './tiny-model.ts';

/** Counts up when the weights would come out differently. */
const VERSION = 1;
const SEED = 7;

export interface DemoFiles {
  ade: string;
  backbone: string;
  head: string;
}

/** Images, annotations and weights, generously. */
const SIZE_BYTES = 20e6;

/** Makes the demo's images and weights in a folder, or finds them there. @throws Unavailable if its disk is full */
export function makeDemo(folder: string, say: (step: string) => void): Promise<DemoFiles> {
  const need = { folder, what: 'the demo', bytes: SIZE_BYTES, variable: 'TESSERA_STATE' } as const;
  return withRoom(need, () => make(folder, say));
}

async function make(folder: string, say: (step: string) => void): Promise<DemoFiles> {
  const files: DemoFiles = {
    ade: path.join(folder, 'ADEChallengeData2016'),
    backbone: path.join(folder, 'tiny_intern_vit_224px.pth'),
    head: path.join(folder, 'tiny_linear_head.pth'),
  };
  await mkdir(folder, { recursive: true });
  const made = await writeMiniAde(files.ade, {
    training: 80,
    validation: 100,
    seed: SEED,
    onProgress: (done, all) => say(`mini ADE20K: drawing images ${done} / ${all}`),
  });
  const marker = path.join(folder, `weights-${VERSION}`);
  const isThere =
    made === 'kept' &&
    (await readFile(marker).then(
      () => true,
      () => false,
    ));
  if (isThere) return files;

  say('tiny InternViT: fitting a linear head on its features');
  await makeWeights(folder, files);
  await writeFile(marker, '');
  return files;
}

/** Random weights of the tiny backbone, and a head fitted to the training images of `files.ade`. */
export async function makeWeights(folder: string, files: DemoFiles): Promise<void> {
  const config = await loadVitConfig('tiny');
  const { classes } = await loadClasses('ade20k');
  const meta = {
    CLASSES: classes.map(({ name }) => name),
    PALETTE: classes.map(({ color }) => color),
  };
  await write(files.backbone, { tensors: randomBackbone(config.model, SEED), wrap: 'none' });
  await write(files.head, { tensors: placeholderHead(config.model), wrap: 'state_dict' });
  const checkpoints = [files.backbone, files.head].map((file) => ({ name: path.basename(file), file }));
  const samples = await patchSamples(folder, checkpoints, files.ade, config);
  await write(files.head, { tensors: fitHead(config.model, samples), wrap: 'state_dict', meta });
}

async function write(file: string, state: Parameters<typeof writeTorchFile>[0]): Promise<void> {
  await writeFile(`${file}.new`, writeTorchFile(state));
  await rename(`${file}.new`, file);
}

/** The graph wants a head before there is one to fit. */
function placeholderHead(model: Parameters<typeof modelSpecs>[0]): TensorToWrite[] {
  return modelSpecs(model)
    .filter(({ name }) => name.startsWith('decode_head.'))
    .map(({ name, shape }) => {
      const data = new Uint8Array(4 * shape.reduce((product, dim) => product * dim, 1));
      return { name, dtype: 'float32', shape, data };
    });
}
