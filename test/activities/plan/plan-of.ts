import type { Hub } from '../../../activities/hub/hub.ts';
import { planEval } from '../../../activities/plan/plan-eval.ts';
import type { EvalInput, EvalRun, Plan } from '../../../core/config/eval.ts';
import type { Store } from '../../../core/store.ts';

/** Plans as the activity does, for workflow `eval-1`. */
export function plan(store: Store, input: EvalInput, runId = 'run-1', hub?: Hub): Promise<Plan> {
  const context = {
    store,
    ...(hub ? { hub } : {}),
    launcher: 'local',
    codeVersion: '0.1.0+abc',
    imageDigest: null,
  };
  return planEval(context, input, { workflowId: 'eval-1', runId, taskQueue: 'tessera' });
}

/** The run that is planned, where it hasn't finished before. */
export async function plannedRun(store: Store, input: EvalInput): Promise<EvalRun> {
  const planned = await plan(store, input);
  if (planned.kind === 'finished') throw new Error('already finished');
  return planned.run;
}
