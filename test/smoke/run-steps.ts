import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InferenceSession, type Tensor } from '../../activities/onnx/runtime.ts';
import { runSession } from '../../activities/onnx/session.ts';
import { type CheckpointOnDisk, openOnDisk } from '../../activities/onnx/write-model.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import type { GraphStep } from '../../core/model/block-graphs.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import { type CheckpointFile, openWeights, type WeightLoader } from '../../core/model/weights.ts';

/**
 * For little memory: an arena grows in powers of two and gives nothing back; the layout for convolutions that the
 * highest level brings copies all their weights, and was slower at UperNet's true widths (22 s instead of 16 s).
 */
const FRUGAL: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  enableCpuMemArena: false,
  enableMemPattern: false,
  graphOptimizationLevel: 'extended',
  logSeverityLevel: 3,
};

/** Seconds of one step. */
export interface StepTime {
  name: string;
  /** Reading the weights, casting them to float32, packing them for the processor. */
  create: number;
  run: number;
}

/** @param folder where the steps' model files will lie; the checkpoints are in it or below it */
export async function openStepWeights(
  folder: string,
  checkpoints: CheckpointOnDisk[],
  model: VitModel,
): Promise<WeightLoader> {
  const opened: CheckpointFile[] = [];
  for (const checkpoint of checkpoints) opened.push(await openOnDisk(checkpoint, folder));
  const indices = opened.map(({ index }) => index);
  return openWeights(matchWeights(indices, model), opened, model);
}

/**
 * Runs steps one after the other on the CPU, with one session at a time: memory is that of the largest step.
 *
 * @param values inputs by name; what a step has taken is removed, and what it gives is added
 */
export async function runSteps(
  folder: string,
  steps: Iterable<GraphStep>,
  values: Map<string, Tensor>,
  options: { threads: number; onStep(time: StepTime): void },
): Promise<void> {
  const modelFile = path.join(folder, 'step.onnx');
  for (const { name, inputs, model } of steps) {
    await writeFile(modelFile, model);
    const start = performance.now();
    const session = await InferenceSession.create(modelFile, {
      ...FRUGAL,
      intraOpNumThreads: options.threads,
    });
    const created = performance.now();
    const feeds = Object.fromEntries(inputs.map((input) => [input, values.get(input)!]));
    const outputs = await runSession(session, feeds, 'cpu');
    options.onStep({ name, create: (created - start) / 1000, run: (performance.now() - created) / 1000 });
    await session.release();
    for (const input of inputs) values.delete(input);
    for (const [output, value] of Object.entries(outputs)) values.set(output, value);
  }
  await rm(modelFile, { force: true });
}
