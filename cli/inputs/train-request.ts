import { BadInput } from '../../core/config/failures.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { type TrainInput, TrainInputSchema } from '../../core/config/train-run.ts';
import type { TrainOptions } from '../commands/train.ts';
import { checkpointsOf } from './checkpoint-options.ts';
import { chosenConfig, defaultWorkflowId } from './chosen-config.ts';
import { checked, type Request } from './request.ts';

/** What `tessera train` starts. @throws BadInput for whatever is wrong with it */
export async function trainRequest(named: string, options: TrainOptions): Promise<Request<TrainInput>> {
  const { dataset, evaluationSplit, resumeFrom, loadFrom, label } = options;
  const { config, overrides, resolved: chosen } = await chosenConfig(named, options.cfgOptions ?? []);
  const resolved = vitConfig(chosen);
  if (!resolved.train)
    throw new BadInput(
      `${resolved.name}: has no section 'train'; Train needs one, see 'tessera configs' for those that have it`,
    );
  const { weights } = checkpointsOf(resolved, options);
  return checked(
    {
      type: 'Train',
      workflowId: options.workflowId ?? defaultWorkflowId(resolved, new Date()),
      input: (bucket) => ({
        config,
        overrides,
        weights: weights!,
        dataset,
        evaluationSplit,
        output: options.output ?? `s3://${bucket}/runs`,
        ...(resumeFrom ? { resumeFrom } : {}),
        ...(loadFrom ? { loadFrom } : {}),
        allowOverlap: options.allowOverlap ?? false,
        resume: options.resume ? 'auto' : 'never',
        deadlineMinutes: Number(options.deadline),
        recompute: options.recompute ?? false,
        ...(label ? { labels: label } : {}),
      }),
    },
    TrainInputSchema,
  );
}
