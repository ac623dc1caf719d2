import type { TrainInput, TrainRun } from '../core/config/train-run.ts';

/** The two ways to train the same again. */
export function reproduceTraining({ workflowId }: TrainRun, input: TrainInput): string[] {
  const { weights, dataset, output, overrides = [], resumeFrom, loadFrom } = input;
  const name = typeof input.config === 'string' ? input.config : 'CONFIG.yaml';
  const again = JSON.stringify({ ...input, recompute: true });
  const options = [
    `--weights ${weights} --dataset ${dataset} --output ${output}`,
    ...(resumeFrom ? [`--resume-from ${resumeFrom}`] : []),
    ...(loadFrom ? [`--load-from ${loadFrom}`] : []),
    ...(overrides.length > 0 ? [`--cfg-options ${overrides.join(' ')}`] : []),
  ];
  return [
    `temporal workflow start --type TrainHead --task-queue tessera --workflow-id ${workflowId} --input '${again}'`,
    `npx tessera train ${name} ${options.join(' ')}`,
  ];
}
