import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { tesseraProgram } from '../../../cli/program.ts';
import { classesOf } from '../../../core/config/model-kinds.ts';
import { COMMIT, fakeHub, REPO } from '../../activities/hub/fake-hub.ts';
import { DINOV2_GIANT, DINOV3_7B, DINOV3_S, INTERNVIT_6B } from '../../core/model/model-jsons.ts';
import { temporaryFolder } from '../../infra/observe.ts';

type Json = Record<string, unknown>;

afterEach(() => {
  vi.unstubAllEnvs();
});

const bytes = (json: unknown) => Buffer.from(JSON.stringify(json));

/** Runs `tessera configs from` and gives what it prints. */
async function printed(...words: string[]): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await tesseraProgram().parseAsync(['configs', 'from', ...words], { from: 'user' });
    return log.mock.calls.flat().join('\n');
  } finally {
    log.mockRestore();
  }
}

/** A model's folder on this machine. */
function modelFolder(config: Json, preprocessor?: Json): string {
  const folder = join(temporaryFolder(), 'My-ViT');
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), bytes(config));
  if (preprocessor) writeFileSync(join(folder, 'preprocessor_config.json'), bytes(preprocessor));
  return folder;
}

/** The config that comes of a model, as a run would load it. */
async function written(config: Json, words: string[] = [], preprocessor?: Json) {
  const out = join(temporaryFolder(), 'mine.yaml');
  expect(await printed(modelFolder(config, preprocessor), '--out', out, ...words)).toBe(out);
  return { config: await loadConfig(out), text: readFileSync(out, 'utf8'), out };
}

async function servedHub(files: Record<string, Buffer>) {
  const fake = await fakeHub(files);
  vi.stubEnv('HF_ENDPOINT', fake.endpoint);
  vi.stubEnv('HF_TOKEN', '');
}

describe('tessera configs from a repository', () => {
  it('writes a complete config that names the model at its commit', async () => {
    await servedHub({
      'config.json': bytes(DINOV3_S),
      'preprocessor_config.json': bytes({
        image_mean: [0.43, 0.411, 0.296],
        image_std: [0.213, 0.156, 0.143],
      }),
    });
    const text = await printed(`hf://${REPO}@main`);
    const out = join(temporaryFolder(), 'mine.yaml');
    writeFileSync(out, text);
    expect(await loadConfig(out)).toMatchObject({
      name: 'vit_ade20k_linear',
      published: { weights: `hf://${REPO}@${COMMIT}` },
      model: {
        backbone: { type: 'DINOv3', imageSizePx: 512, embedDim: 24, depth: 4, taps: [3] },
        head: { type: 'linear', channels: 24, classes: 150 },
        test: { mode: 'slide', cropPx: 512, stridePx: 341 },
      },
      pipeline: {
        resize: { type: 'pillow', shortSidePx: 512 },
        normalization: 'torch',
        mean: [109.65, 104.805, 75.48],
        std: [54.315, 39.78, 36.465],
      },
      train: { steps: 40_000, optimizer: { lr: 1e-3, weightDecay: 1e-3 }, dropout: 0.1 },
    });
    expect(text).not.toContain('reproduces');
    expect(text).toMatch(/^# vit: a linear head/);
    expect(text).toContain(`# hf://${REPO}@${COMMIT}/config.json\n`);
  });

  it('finds a model in a folder of the repository', async () => {
    await servedHub({ 'sub/config.json': bytes(INTERNVIT_6B) });
    expect(await printed(`hf://${REPO}/sub`)).toContain(`weights: hf://${REPO}@${COMMIT}/sub\n`);
    expect(await printed(`hf://${REPO}/sub/config.json`)).toContain(`weights: hf://${REPO}@${COMMIT}/sub\n`);
  });

  it('says what the Hub says of a file that is not there', async () => {
    await servedHub({ 'README.md': bytes('') });
    await expect(printed(`hf://${REPO}`)).rejects.toThrow(/config\.json.* no such file/);
  });
});

describe('tessera configs from a config.json of this machine', () => {
  it("has each family's protocol; mean and std may be to check", async () => {
    const internVit = await written(INTERNVIT_6B);
    expect(internVit.config).toMatchObject({
      name: 'my_vit_ade20k_linear',
      model: { test: { cropPx: 504, stridePx: 322 } },
      pipeline: { resize: { type: 'short-side', shortSidePx: 504, multiplePx: 14 } },
      train: { steps: 80_000 },
    });
    expect(internVit.config.published).toBeUndefined();
    expect(internVit.text).toContain('no preprocessor_config.json was found');
    expect(internVit.text).toContain('a run takes them by --weights');
    const dino = await written(DINOV2_GIANT);
    expect(dino.config.pipeline.resize).toEqual({
      type: 'fit',
      longPx: 99_999_999,
      shortPx: 512,
      multiplePx: 1,
    });
  });

  it.each([
    [
      'intern_vit_6b_448px_v2_5_ade20k_linear',
      { ...INTERNVIT_6B, hidden_size: 3200, intermediate_size: 12_800, num_attention_heads: 25 },
      { num_hidden_layers: 45, image_size: 448 },
    ],
    [
      'dinov2_vitg14_ade20k_linear',
      { ...DINOV2_GIANT, hidden_size: 1536, num_attention_heads: 24 },
      { num_hidden_layers: 40, image_size: 518 },
    ],
    [
      'dinov3_vit7b16_ade20k_linear',
      { ...DINOV3_7B, hidden_size: 4096, intermediate_size: 8192, num_attention_heads: 32 },
      { num_hidden_layers: 40 },
    ],
  ])('makes of true sizes the model, protocol and training of %s', async (name, json, more) => {
    const { model, dataset, pipeline, run, train } = await loadConfig(name);
    expect((await written({ ...json, ...more })).config).toMatchObject({
      model,
      dataset,
      pipeline,
      run,
      train,
    });
  });

  it('takes the run section of the family’s config that is nearest in size', async () => {
    const giant = await written({ ...DINOV2_GIANT, hidden_size: 1536, num_hidden_layers: 40 });
    expect(giant.config.run).toMatchObject({ batch: 16, workers: 8 });
    expect((await written(DINOV2_GIANT)).config.run).toMatchObject({ batch: 64, workers: 2 });
  });

  it('puts UperNet on four blocks, with its auxiliary head and training', async () => {
    const { config } = await written({ ...INTERNVIT_6B, num_hidden_layers: 48 }, ['--head', 'upernet']);
    expect(config.model).toMatchObject({
      backbone: { taps: [11, 23, 35, 47] },
      head: { type: 'upernet', channels: 512, poolScales: [1, 2, 3, 6], classes: 150 },
      auxiliaryHead: { channels: 512, level: 1, classes: 150 },
    });
    expect(config.train).toMatchObject({ optimizer: { weightDecay: 0.05 }, auxiliaryLossWeight: 0.4 });
    expect(config.train?.augmentation.longPx).toBe(2016);
    await expect(written(DINOV2_GIANT, ['--head', 'upernet'])).rejects.toThrow(
      '--head upernet: takes four blocks, and the model has 2',
    );
  });

  it('takes taps, crop, stride and name as they are given; resizes go with the crop', async () => {
    const words = ['--taps', '1,3', '--crop', '640', '--stride', '320', '--name', 'mine'];
    const { config, text } = await written(DINOV3_S, words);
    expect(config).toMatchObject({
      name: 'mine',
      model: {
        backbone: { taps: [1, 3], imageSizePx: 640 },
        head: { channels: 48 },
        test: { cropPx: 640, stridePx: 320 },
      },
      pipeline: { resize: { shortSidePx: 640 } },
      train: { augmentation: { longPx: 99_999_999, shortPx: 640 } },
    });
    expect(text).not.toContain('512');
  });

  it('takes the dataset and its classes of a config', async () => {
    const layout = join(temporaryFolder(), 'city.yaml');
    const section = {
      type: 'Cityscapes',
      classes: 'cityscapes',
      imageDir: 'leftImg8bit/val',
      annotationDir: 'gtFine/val',
      imageSuffix: '.png',
      annotationSuffix: '_x.png',
      labelIds: 'official',
      reduceZeroLabel: false,
    };
    writeFileSync(layout, bytes({ base: 'tiny', model: { head: { classes: 19 } }, dataset: section }));
    const { config } = await written(DINOV3_S, ['--dataset', layout]);
    expect(config.name).toBe('my_vit_city_linear');
    expect(classesOf(config.model)).toBe(19);
    expect(config.dataset).toMatchObject(section);
    await expect(written(DINOV3_S, ['--dataset', 'cityscapes'])).rejects.toThrow(
      '--dataset cityscapes: configs/datasets/cityscapes.yaml has classes, but not where files lie',
    );
  });

  it.each([
    [{}, ['--crop', '500'], '--crop is 500, which is no multiple of patch_size 16'],
    [{}, ['--taps', '4'], '--taps has 4, but the backbone has 4 blocks (0 to 3)'],
    [{}, ['--stride', '600'], '--stride is 600, more than'],
    [{}, ['--head', 'upernet', '--taps', '1,2'], '--taps has 2 blocks, but a head of type upernet takes 4'],
    [{ num_attention_heads: 5 }, [], 'num_attention_heads is 5, which does not divide hidden_size 24'],
    [{ hidden_size: undefined }, [], 'hidden_size is missing'],
    [{ model_type: 'beit' }, [], 'model_type is "beit"; read are'],
  ])('refuses %o %o by the name of the field or option', async (changed, words, message) => {
    await expect(written({ ...DINOV3_S, ...changed }, words)).rejects.toThrow(message);
  });

  it('overwrites nothing, and writes YAML only', async () => {
    const { out } = await written(DINOV3_S);
    const folder = modelFolder(DINOV3_S);
    await expect(printed(folder, '--out', out)).rejects.toThrow('the file exists; remove it');
    await expect(printed(folder, '--out', 'mine.txt')).rejects.toThrow('expected a name that ends in .yaml');
    await expect(printed('https://host/config.json')).rejects.toThrow('expected hf://org/name');
    await expect(printed('nowhere')).rejects.toThrow('nowhere/config.json: no such file');
  });

  it('refuses options of tessera configs NAME, which would be lost', async () => {
    const error = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await expect(printed(modelFolder(DINOV3_S), '--cfg-options', 'run.batch=2')).rejects.toThrow(
      '--cfg-options and --json go with',
    );
    error.mockRestore();
  });

  it('leaves tessera configs NAME as it was', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    await tesseraProgram().parseAsync(['configs', 'tiny'], { from: 'user' });
    expect(log.mock.calls.flat().join('\n')).toMatch(/^name: tiny\n/);
    log.mockRestore();
  });
});
