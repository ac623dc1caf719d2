import type { TrainInput, TrainRun, TrainStart } from '../core/config/train-run.ts';
import { runAgain } from '../core/run-again.ts';

/**
 * The two ways to train the same again, from what the run began with. By an id of its own: unlike `recompute`, it lets
 * the same line resume, should the training be stopped.
 */
export function reproduceTraining(
  { workflowId, start }: Pick<TrainRun, 'workflowId' | 'start'>,
  input: TrainInput,
): string[] {
  const { resumeFrom: _r, loadFrom: _l, ...rest } = input;
  const from = beginning(start);
  return runAgain({
    type: 'Train',
    command: 'train',
    workflowId: `${workflowId}-again`,
    input: { ...rest, ...from, recompute: false },
    options: {
      'evaluation-split': input.evaluationSplit,
      'resume-from': from.resumeFrom,
      'load-from': from.loadFrom,
    },
  });
}

function beginning(start: TrainStart): Pick<TrainInput, 'resumeFrom' | 'loadFrom'> {
  switch (start.from) {
    case 'scratch':
      return {};
    case 'head':
      return { loadFrom: start.head.uri };
    case 'checkpoint':
      return { resumeFrom: start.uri };
  }
}
