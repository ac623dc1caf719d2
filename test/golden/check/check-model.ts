import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { Stitcher } from '../../../activities/evaluate/stitcher.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { roundToBfloat16 } from '../../../core/model/bfloat16.ts';
import { cropShape } from '../../../core/model/crop-shape.ts';
import { resizePositionEmbedding } from '../../../core/model/position-embedding.ts';
import { CROPS } from '../../../core/model/segmenter-graph.ts';
import { argmaxAgreement, compareArrays, type Row, stepsOf, subsample } from './compare.ts';
import type { GoldenFolder, ModelRun } from './manifest.ts';
import { fromMmcv } from './mmcv-config.ts';
import { npyNumbers, readNpy } from './npy.ts';

/** Stages that are made of the head's logits, not read out of the graph. */
const DERIVED = ['logits', 'logits_sub', 'argmax', 'head_logits_bf16backbone'];

type Outputs = Record<string, { dims: readonly number[]; data: Float32Array }>;

/** Every stage of a model on the golden crops, by the graph that a worker runs. */
export async function checkModel(golden: GoldenFolder, run: ModelRun): Promise<Row[]> {
  // A batch of single crops is what whole mode sees; the config's stride may not fit another crop size.
  const overrides = { ...run.config_overrides, 'model.test_cfg': { mode: 'whole' } };
  const config = fromMmcv(golden.json(run.config), overrides, run.config);
  config.run.device = golden.device;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-'));
  try {
    const pretrained = path.join(folder, 'pretrained.pth');
    const head = path.join(folder, 'head.pth');
    copyFileSync(golden.path(run.pretrained), pretrained);
    copyFileSync(golden.path(run.head), head);
    const crops = readNpy(golden.path(run.image));
    const execute = (stages: string[], taps = config.model.backbone.taps, backbone = pretrained) =>
      runGraph(folder, [backbone, head], withTaps(config, taps, crops.shape[0]!), stages, crops);

    const lastTap = Math.max(...config.model.backbone.taps);
    const inGraph = run.expected.map(({ stage }) => stage).filter((stage) => !DERIVED.includes(stage));
    const isBehind = (stage: string) => Number(/^block(\d+)_out$/.exec(stage)?.[1] ?? 0) > lastTap;
    const outputs = await execute([...inGraph.filter((stage) => !isBehind(stage)), 'input']);
    // Blocks behind the last tap are not part of the model: for these stages the tap is moved there.
    for (const stage of inGraph.filter(isBehind))
      outputs[stage] = (await execute([stage], [Number(/\d+/.exec(stage)![0])]))[stage]!;

    const rows = [
      compareArrays(run.input, outputs.input!.data, npyNumbers(readNpy(golden.path(run.input))), {
        exact: true,
      }),
    ];
    if (run.checkpoint && golden.has(run.checkpoint)) {
      const whole = path.join(folder, 'whole.pth');
      copyFileSync(golden.path(run.checkpoint), whole);
      const { head_logits: logits } = await runGraph(
        folder,
        [whole],
        withTaps(config, config.model.backbone.taps, crops.shape[0]!),
        [],
        crops,
      );
      rows.push(
        compareArrays(`head_logits of ${run.checkpoint} alone`, logits!.data, outputs.head_logits!.data, {
          atol: 2e-4,
        }),
      );
    }
    const stitched = await stitch(config, outputs.head_logits!);
    for (const { stage, file, tolerance } of run.expected) {
      const expected = npyNumbers(readNpy(golden.path(file)));
      const how = golden.manifest.model.find((entry) => entry.file === file)?.how ?? '';
      if (stage === 'head_logits_bf16backbone') {
        const rounded = path.join(folder, 'bf16.pth');
        writeFileSync(rounded, await roundCheckpoint(pretrained));
        const bf16 = (await execute(['head_logits'], undefined, rounded)).head_logits!;
        const reference = npyNumbers(readNpy(golden.path(tolerance.argmax_agreement_with ?? file)));
        rows.push(
          argmaxAgreement(`${file} (argmax)`, bf16.data, reference, [...bf16.dims], tolerance.at_least ?? 1),
        );
      } else if (stage === 'logits' || stage === 'logits_sub') {
        const steps = stepsOf(how, 4);
        const actual = subsample(stitched.logits, stitched.shape, steps).subarray(0, expected.length);
        rows.push(compareArrays(file, actual, expected, tolerance));
      } else if (stage === 'argmax') rows.push(compareArrays(file, stitched.labels, expected, tolerance));
      else rows.push(compareArrays(file, outputs[stage]!.data, expected, tolerance));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function withTaps(config: VitConfig, taps: number[], batch: number): VitConfig {
  const backbone = { ...config.model.backbone, taps };
  return { ...config, model: { ...config.model, backbone }, run: { ...config.run, batch } };
}

async function runGraph(
  folder: string,
  files: string[],
  config: VitConfig,
  stages: string[],
  crops: ReturnType<typeof readNpy>,
): Promise<Outputs> {
  const checkpoints = files.map((file) => ({ name: path.basename(file), file }));
  const { modelFile } = await prepareModel(folder, checkpoints, config, stages);
  const { device } = config.run;
  const session = await openSession(modelFile, { device, threads: 1 });
  const outputs = await runSession(
    session,
    { [CROPS]: tensor(crops.data as Uint8Array, crops.shape) },
    device,
  );
  const floats = Object.entries(outputs).map(([name, { dims, data }]) => [
    name,
    { dims, data: data as Float32Array },
  ]);
  await session.release();
  return Object.fromEntries(floats);
}

/** Full-size logits and labels of each crop, as whole mode makes them. */
async function stitch(config: VitConfig, { dims, data }: Outputs[string]) {
  const [batch, classes] = dims as [number, number];
  const side = config.model.backbone.imageSizePx;
  const options = { device: config.run.device, threads: 1 };
  await using toLabels = await Stitcher.open(cropShape(config.model), 1, options, 'labels');
  await using toLogits = await Stitcher.open(cropShape(config.model), 1, options, 'scores');
  const labels = new Uint8Array(batch * side * side);
  const logits = new Float32Array(batch * classes * side * side);
  for (let b = 0; b < batch; b++) {
    const size = data.length / batch;
    const whole = { width: side, height: side };
    const crop = {
      id: `crop ${b}`,
      original: whole,
      views: [
        {
          size: whole,
          isFlipped: false,
          grid: { heightPx: side, widthPx: side, tops: [0], lefts: [0] },
          logits: data.slice(b * size, (b + 1) * size),
        },
      ],
    };
    labels.set(await toLabels.labels(crop), b * side * side);
    logits.set(await toLogits.scores(crop), b * classes * side * side);
  }
  return { labels, logits, shape: [batch, classes, side, side] };
}

/** The checkpoint with every tensor in bfloat16, as the original casts its backbone. */
async function roundCheckpoint(file: string): Promise<Uint8Array> {
  const bytes = readFileSync(file);
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const torch = await openCheckpoint(file, bytes.length, read);
  const tensors = [];
  for (const tensor of torch.tensors.values()) {
    const floats = toFloat32(await readTensor(torch, tensor, read), tensor.dtype);
    const high = Uint16Array.from(floats, (value) => bfloat16Bits(value));
    tensors.push({
      name: tensor.name,
      dtype: 'bfloat16' as const,
      shape: tensor.shape,
      data: new Uint8Array(high.buffer),
    });
  }
  return writeTorchFile({ tensors, wrap: 'none' });
}

function bfloat16Bits(value: number): number {
  return new Uint32Array(Float32Array.of(roundToBfloat16(value)).buffer)[0]! >>> 16;
}

/** The resized position embeddings that lie in the folder, from the one as stored. */
export function checkPositionEmbedding(golden: GoldenFolder): Row[] {
  const files = golden.manifest.model.filter(({ file }) => /pos_embed_\d+x\d+/.test(file));
  const stored = files.find(({ file }) => /pos_embed_\d+x\d+\.npy$/.test(file));
  if (!stored) return [];
  const { shape, data } = readNpy(golden.path(stored.file));
  const [, tokens, channels] = shape as [number, number, number];
  return files
    .filter((entry) => entry !== stored)
    .map(({ file, tolerance }) => {
      const side = Number(/pos_embed_(\d+)x/.exec(file)![1]);
      const round = file.includes('bf16') ? roundToBfloat16 : (value: number) => value;
      const actual = resizePositionEmbedding((data as Float32Array).map(round), {
        side: Math.sqrt(tokens - 1),
        grid: { rows: side, columns: side },
        channels,
        antialias: false,
        sideOffset: 0,
        round,
      });
      return compareArrays(
        file,
        actual,
        npyNumbers(readNpy(golden.path(file))),
        tolerance ?? { exact: true },
      );
    });
}
