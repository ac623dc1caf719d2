import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { fileReader } from '../../../activities/read-at.ts';
import { openTorchFile, readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import type { VitModel } from '../../../core/config/model-kinds.ts';
import { gridSide } from '../../../core/model/backbone.ts';
import { buildHead, evaluatedModel, headSpecs, logitsSide } from '../../../core/model/head.ts';
import { LOGITS } from '../../../core/model/segmenter-graph.ts';
import { GraphBuilder } from '../../../core/onnx/graph.ts';
import { createRandom } from '../../builders.ts';

const PROGRAM = fileURLToPath(new URL('torch_head.py', import.meta.url));

/** A trained head as somebody has read it. */
export interface ReadHead {
  meta: unknown;
  /** Of each tensor: dtype, shape, SHA-256 of its bytes. */
  tensors: Record<string, [dtype: string, shape: number[], sha256: string]>;
  /** Of the features that are the same for both. */
  logits: Float32Array;
}

/** A head's checkpoint in PyTorch: loaded with nothing but weights allowed, into modules that must fit it exactly. */
export async function headInTorch(
  python: string,
  file: string,
  model: VitModel,
  folder: string,
): Promise<ReadHead> {
  const at = (name: string) => path.join(folder, name);
  await writeFile(at('model.json'), JSON.stringify(model));
  await writeFile(at('taps.bin'), Buffer.concat(taps(model).map(({ buffer }) => Buffer.from(buffer))));
  const args = [PROGRAM, file, at('model.json'), at('taps.bin'), at('logits.bin')];
  const { stdout } = await promisify(execFile)(python, args, { maxBuffer: 16 << 20 });
  const logits = await readFile(at('logits.bin'));
  return { ...JSON.parse(stdout), logits: new Float32Array(new Uint8Array(logits).buffer) };
}

/** The same by our reader, and by the graph that an evaluation runs. */
export async function headByUs(file: string, model: VitModel): Promise<ReadHead> {
  const readAt = fileReader(file);
  const { size } = await stat(file);
  const torch = await openTorchFile(file, size, readAt);
  const read = { meta: torch.meta, tensors: {} as ReadHead['tensors'] };
  const values = new Map<string, Float32Array>();
  for (const [name, entry] of torch.tensors) {
    const bytes = await readTensor(torch, entry, readAt);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    read.tensors[name] = [`torch.${entry.dtype}`, entry.shape, sha256];
    values.set(name, toFloat32(bytes, entry.dtype));
  }
  return { ...read, logits: await logitsOf(model, values) };
}

async function logitsOf(model: VitModel, values: Map<string, Float32Array>): Promise<Float32Array> {
  const graph = new GraphBuilder('head');
  const shape = [1, model.backbone.embedDim, side(model), side(model)];
  const features = taps(model).map((data, i) => ({ name: `tap_${i}`, data, shape }));
  const inputs = features.map(({ name }) => graph.input(name, 'float32', shape));
  const weights = headSpecs(evaluatedModel(model)).map((spec) => ({ ...spec, data: values.get(spec.name)! }));
  for (const { name, shape } of weights) graph.input(name, 'float32', shape);
  const { logits } = buildHead(graph, (_, name) => name as typeof logits, evaluatedModel(model), 1, inputs);
  graph.output(logits, 'float32', [1, model.head.classes, logitsSide(model), logitsSide(model)]);
  const session = await openSession(graph.toBytes(), { device: 'cpu', threads: 1 });
  const feeds = [...features, ...weights].map(
    ({ name, data, shape }) => [name, tensor(data, shape)] as const,
  );
  const outputs = await runSession(session, Object.fromEntries(feeds), 'cpu');
  await session.release();
  return outputs[LOGITS]!.data as Float32Array;
}

/** Numbers as a backbone could have given them. */
function taps(model: VitModel): Float32Array<ArrayBuffer>[] {
  const random = createRandom(5);
  const { embedDim, taps } = model.backbone;
  return taps.map(() => Float32Array.from({ length: embedDim * side(model) ** 2 }, () => 4 * random() - 2));
}

function side({ backbone }: VitModel): number {
  return gridSide(backbone);
}
