import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import type { OwnModelPlan } from '../../core/model/own-onnx.ts';
import { inputGraph, MODEL_INPUT, MODEL_OUTPUT, outputGraph } from '../../core/model/own-onnx-graphs.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import type { Tensor } from './runtime.ts';
import { openSession, runSession, tensor } from './session.ts';

/** A model of one's own at work. */
export interface OwnModel extends AsyncDisposable {
  /** Crops `[B, S, S, 3]` uint8 RGB to logits `[B, K, h, w]` float32. @throws BadData if it gives another shape */
  segment(crops: Uint8Array): Promise<Float32Array>;
}

/**
 * Opens a model of one's own between two small graphs of ours: normalisation before it, type and layout after it. The
 * model itself stays as it is, with its own opset.
 *
 * @param file external data lie beside it
 * @param name for messages
 * @throws as `openSession`
 */
export async function openOwnModel(
  file: string,
  plan: OwnModelPlan,
  { pipeline, run }: Pick<Config, 'pipeline' | 'run'>,
  name: string,
): Promise<OwnModel> {
  const { batch, device, threads } = run;
  const { sizePx } = plan.input;
  const { sidePx } = plan.output;
  // A model of a fixed batch runs several times for one of ours, the last time on zeros as well.
  const atOnce = plan.batch ?? batch;
  const after = outputGraph(plan, atOnce);
  const options = { device, threads };
  const before = await openSession(inputGraph(plan, pipeline, atOnce), options);
  const model = await openSession(file, { ...options, allowCpuNodes: true });
  const last = after ? await openSession(after, options) : null;

  async function segmentOnce(crops: Uint8Array): Promise<Float32Array> {
    const given = { [CROPS]: tensor(crops, [atOnce, sizePx, sizePx, 3]) };
    const input = (await runSession(before, given, device))[MODEL_INPUT]!;
    const outputs = await runSession(model, { [plan.input.name]: asBits(input) }, device, {
      [plan.output.name]: null,
    });
    const output = outputs[plan.output.name]!;
    checkShape(output);
    const logits = last
      ? (await runSession(last, { [MODEL_OUTPUT]: asBits(output) }, device))[LOGITS]!
      : output;
    return logits.data as Float32Array;
  }

  function checkShape({ dims }: Tensor): void {
    const { layout } = plan.output;
    const expected =
      layout === 'NCHW' ? [atOnce, plan.classes, sidePx, sidePx] : [atOnce, sidePx, sidePx, plan.classes];
    if (dims.length === 4 && dims.every((dim, i) => dim === expected[i])) return;
    throw new BadData(
      `${name}: gives logits [${dims.join(', ')}] for ${atOnce} crops of ${sizePx}×${sizePx} px; expected [${expected.join(', ')}]`,
    );
  }

  return {
    async segment(crops) {
      if (atOnce === batch) return segmentOnce(crops);
      const perCrop = plan.classes * sidePx ** 2;
      const logits = new Float32Array(batch * perCrop);
      for (let first = 0; first < batch; first += atOnce) {
        const count = Math.min(atOnce, batch - first);
        const some = new Uint8Array(atOnce * sizePx ** 2 * 3);
        some.set(crops.subarray(first * sizePx ** 2 * 3, (first + count) * sizePx ** 2 * 3));
        logits.set((await segmentOnce(some)).subarray(0, count * perCrop), first * perCrop);
      }
      return logits;
    },
    async [Symbol.asyncDispose]() {
      for (const session of [before, model, last]) await session?.release();
    },
  };
}

/**
 * A tensor as ONNX Runtime 1.30 takes it for an input. Where Node has Float16Array (24 and newer), its outputs of float16 are
 * of that type, whose bytes it does not see in an input: it takes their bits as a Uint16Array.
 */
function asBits(given: Tensor): Tensor {
  const { type, dims, data } = given;
  if (type !== 'float16' || data instanceof Uint16Array) return given;
  const { buffer, byteOffset, length } = data as unknown as Uint16Array;
  return {
    type,
    dims,
    data: new Uint16Array(buffer, byteOffset, length),
    location: 'cpu',
  } as unknown as Tensor;
}
