import { Inference } from '../../../activities/evaluate/inference.ts';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import type { CheckpointOnDisk } from '../../../activities/onnx/write-model.ts';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { createRandom } from '../../../cli/demo/scene-random.ts';
import { type VitConfig, vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { networkSize } from '../../../core/image/test-size.ts';
import { backboneFlops } from '../../../core/model/backbone.ts';
import { cropShape } from '../../../core/model/crop-shape.ts';
import { evaluationMemory } from '../../../core/model/device-memory.ts';
import { headFlops } from '../../../core/model/flops.ts';
import { evaluatedModel } from '../../../core/model/head.ts';
import { CROPS, LOGITS } from '../../../core/model/segmenter-graph.ts';
import { slideWindows, windowCount } from '../../../core/model/slide-windows.ts';
import { narrowedTo } from '../../../infra/cuda-check/models.ts';
import { gb, messageOf, share, taken, usedMemory } from './figures.ts';
import { matmulTflops, medianSeconds } from './matrix-products.ts';
import type { Bench } from './phase.ts';
import { randomWeights } from './random-weights.ts';

/** As ADE20K's are. */
const TYPICAL = { width: 683, height: 512 };
/** For images/s: each batch is filled so often. */
const BATCHES_OF_IMAGES = 6;

/** A row of the table at its true sizes, on random weights: batch by batch the graph alone, then images with all around it. */
export async function fullSize(name: string, bench: Bench): Promise<void> {
  const { device, batches, passes, overrides, folder, record } = bench;
  const narrowed = bench.small ? await narrowedTo(name) : [];
  const base = vitConfig(
    applyOverrides(await loadVitConfig(name), [`run.device=${device}`, ...narrowed, ...overrides], name),
  );
  const config = { ...base, model: evaluatedModel(base.model) };
  const { precision, threads } = config.run;
  const peak = await matmulTflops(device, precision, threads, passes);
  record({ peakTflops: peak, precision }, `matrix products: ${peak.toFixed(2)} TFLOP/s, ${precision}`);
  const start = performance.now();
  const checkpoints = await randomWeights(folder, config.model);
  const seconds = (performance.now() - start) / 1000;
  record({ weightsSeconds: seconds }, `random weights: written or found in ${seconds.toFixed(0)} s`);
  const flops = { backbone: backboneFlops(config.model), head: headFlops(config.model) };
  let first: Float32Array | null = null;
  let fastest = { batch: batches[0]!, cropsPerSecond: 0 };
  for (const batch of batches) {
    const batched = { ...config, run: { ...config.run, batch } };
    try {
      const run = await timeGraph(folder, checkpoints, batched, passes);
      const { cropsPerSecond, usedBytes, logits } = run;
      const tflops = (cropsPerSecond * flops.backbone) / 1e12;
      const withHead = (cropsPerSecond * (flops.backbone + flops.head)) / 1e12;
      const counted = evaluationMemory(batched);
      const apart = first ? largestDifference(first, logits) : null;
      first ??= logits;
      if (cropsPerSecond > fastest.cropsPerSecond) fastest = { batch, cropsPerSecond };
      record(
        { batch, cropsPerSecond, tflops, tflopsWithHead: withHead, usedBytes, countedBytes: counted, apart },
        `batch ${batch}: ${cropsPerSecond.toFixed(2)} crops/s; ${tflops.toFixed(2)} TFLOP/s, ${share(tflops, peak)} of the peak; ` +
          `with the head ${withHead.toFixed(2)}, ${share(withHead, peak)}; memory ${gb(usedBytes)}, counted ${gb(counted)}` +
          (apart === null ? '' : `; the first crop's logits: ${apartText(apart)} beside batch ${batches[0]}`),
      );
    } catch (error) {
      record({ batch, error: messageOf(error) }, `batch ${batch}: ${messageOf(error)}`);
    }
  }
  await timeImages(folder, checkpoints, { ...config, run: { ...config.run, batch: fastest.batch } }, bench);
}

async function timeGraph(folder: string, checkpoints: CheckpointOnDisk[], config: VitConfig, passes: number) {
  const { device, threads, batch } = config.run;
  const side = config.model.backbone.imageSizePx;
  const before = await usedMemory(device);
  const { modelFile } = await prepareModel(folder, checkpoints, config);
  const session = await openSession(modelFile, { device, threads });
  try {
    const inputs = { [CROPS]: tensor(noise(batch * side * side * 3), [batch, side, side, 3]) };
    const seconds = await medianSeconds(session, inputs, device, passes);
    const outputs = await runSession(session, inputs, device);
    const all = outputs[LOGITS]!.data as Float32Array;
    const after = await usedMemory(device);
    const usedBytes = taken(before, after);
    return { cropsPerSecond: batch / seconds, usedBytes, logits: all.slice(0, all.length / batch) };
  } finally {
    await session.release();
  }
}

/** Images through a worker's threads: cut, run, stitched. */
async function timeImages(folder: string, checkpoints: CheckpointOnDisk[], config: VitConfig, bench: Bench) {
  const { modelFile } = await prepareModel(folder, checkpoints, config);
  await using inference = await Inference.open({ modelFile, config });
  const size = networkSize(TYPICAL, config.pipeline.resize);
  const crops = windowCount(slideWindows(size, cropShape(config.model))!);
  const images = Math.ceil((BATCHES_OF_IMAGES * config.run.batch) / crops);
  const data = noise(size.width * size.height * 3);
  const image = () => ({ ...size, data: data.slice() });
  const start = performance.now();
  const all = Array.from({ length: images }, (_, i) =>
    inference.segment(String(i), [{ image: image(), isFlipped: false }], TYPICAL),
  );
  inference.flush();
  await Promise.all(all);
  const seconds = (performance.now() - start) / 1000;
  const { graph, stitch } = inference.phases;
  bench.record(
    { batch: config.run.batch, images, crops, seconds, imagesPerSecond: images / seconds, graph, stitch },
    `images of ${TYPICAL.width} × ${TYPICAL.height} px, ${crops} crops each, batch ${config.run.batch}: ` +
      `${(images / seconds).toFixed(2)} images/s; of ${seconds.toFixed(1)} s, graph ${graph.toFixed(1)}, stitching ${stitch.toFixed(1)} ` +
      `(opened in ${inference.start.buildSeconds.toFixed(1)} s)`,
  );
}

/** The same for every batch, as far as it goes. */
function noise(length: number): Uint8Array {
  const random = createRandom(1);
  const period = Uint8Array.from({ length: 65_521 }, () => random.whole(0, 255));
  return Uint8Array.from({ length }, (_, i) => period[i % period.length]!);
}

function largestDifference(one: Float32Array, other: Float32Array): { largest: number; of: number } {
  let largest = 0;
  let of = 0;
  for (let i = 0; i < one.length; i++) {
    largest = Math.max(largest, Math.abs(one[i]! - other[i]!));
    of = Math.max(of, Math.abs(one[i]!));
  }
  return { largest, of };
}

function apartText({ largest, of }: { largest: number; of: number }): string {
  return largest === 0
    ? 'the same bytes'
    : `at most ${largest.toPrecision(2)} apart, where they reach ${of.toPrecision(2)}`;
}
