import { type EvalInput, EvalInputSchema } from '../../core/config/eval.ts';
import { AUG_TEST } from '../../core/image/views.ts';
import type { RunOptions } from '../commands/run.ts';
import { checkpointsOf } from './checkpoint-options.ts';
import { chosenConfig, defaultWorkflowId } from './chosen-config.ts';
import { checked, type Request } from './request.ts';

/** What `tessera run` starts. @throws BadInput for whatever is wrong with it */
export async function evalRequest(named: string, options: RunOptions): Promise<Request<EvalInput>> {
  const { dataset, split, label } = options;
  const { config, overrides, resolved } = await chosenConfig(named, [
    ...(options.cfgOptions ?? []),
    ...optionOverrides(options),
  ]);
  const checkpoints = checkpointsOf(resolved, options);
  return checked(
    {
      type: 'EvalMIoU',
      workflowId: options.workflowId ?? defaultWorkflowId(resolved, new Date()),
      input: (bucket) => ({
        config,
        overrides,
        ...checkpoints,
        dataset,
        split,
        output: options.output ?? `s3://${bucket}/runs`,
        deadlineMinutes: Number(options.deadline),
        recompute: options.recompute ?? false,
        ...(label ? { labels: label } : {}),
      }),
    },
    EvalInputSchema,
  );
}

/** mmseg's options, as the fields of the config that they stand for. */
function optionOverrides({ augTest, eval: metrics, show, opacity, out, formatOnly }: RunOptions): string[] {
  const extra = metrics?.filter((metric) => metric !== 'mIoU') ?? [];
  return [
    augTest ? `pipeline.augmentation=${JSON.stringify(AUG_TEST)}` : '',
    extra.length > 0 ? `run.metrics=${JSON.stringify(extra)}` : '',
    show ? `run.show={"opacity":${Number(opacity)}}` : '',
    formatOnly ? 'run.predictions=submission' : out ? 'run.predictions=labels' : '',
  ].filter((override) => override !== '');
}
