import path from 'node:path';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { makeWeights } from '../../cli/demo/make-demo.ts';
import { writeMiniAde } from '../../cli/demo/mini-ade.ts';
import type { EvalInput, EvalResult } from '../../core/config/eval.ts';
import type { Results } from '../../core/config/results.ts';
import type { StageDatasetInput, StageWeightsInput } from '../../core/config/stage.ts';
import { readResults } from '../../core/read-results.ts';
import type { Store } from '../../core/store.ts';

export const ROOT = 's3://tessera';

type Inputs = Pick<EvalInput, 'head' | 'dataset'> & { weights: string };

/** Runs of `EvalMIoU`, wherever their workers are. */
export interface Runs {
  /** A request that works; tests change what they are about. */
  input(changes?: Partial<EvalInput>): EvalInput & { weights: string };
  start(workflowId: string, input: EvalInput): Promise<WorkflowHandle>;
  run(workflowId: string, input: EvalInput): Promise<EvalResult>;
  results(workflowId: string): Promise<Results>;
}

export function runsOf(client: Client, store: Store, inputs: Inputs): Runs {
  const start = (workflowId: string, input: EvalInput) =>
    client.workflow.start('EvalMIoU', { taskQueue: 'tessera', workflowId, args: [input] });
  return {
    input({ weights = inputs.weights, ...changes } = {}) {
      return { config: 'tiny', ...inputs, output: `${ROOT}/runs`, ...changes, weights };
    },
    start,
    run: async (workflowId, input) => (await start(workflowId, input)).result() as Promise<EvalResult>,
    results: (workflowId) => readResults(store, `${ROOT}/runs/${workflowId}/results.json`),
  };
}

/** What a run needs, made in a folder: where it goes, and the requests that stage it. */
export interface TestData {
  inputs: Inputs;
  weights: { backbone: StageWeightsInput; head: StageWeightsInput };
  dataset: StageDatasetInput;
}

/** The demo's model, fitted to a few images, so that its numbers mean something. */
export async function makeData(folder: string, images: number): Promise<TestData> {
  const ade = path.join(folder, 'ade');
  await writeMiniAde(ade, { training: 16, validation: images, seed: 11 });
  const files = { ade, backbone: path.join(folder, 'backbone.pth'), head: path.join(folder, 'head.pth') };
  await makeWeights(folder, files);
  const weights = {
    backbone: { source: files.backbone, destination: `${ROOT}/weights/backbone.pth` },
    head: { source: files.head, destination: `${ROOT}/weights/head.pth` },
  };
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = (await loadConfig('tiny')).dataset;
  const layout = { name: 'mini', imageDir, annotationDir, imageSuffix, annotationSuffix };
  const dataset = { source: ade, destination: `${ROOT}/datasets/mini`, ...layout };
  const inputs = {
    weights: weights.backbone.destination,
    head: weights.head.destination,
    dataset: dataset.destination,
  };
  return { inputs, weights, dataset };
}
