import type { Results } from '../config/results.ts';
import type { LogLine } from '../train/train-log.ts';

/** Values of one moment, by names such as `train/loss` and `val/mIoU`. */
export interface Scalars {
  step: number;
  /** Since the epoch, of the training's own time: evaluations and pauses don't count. The same whenever it is asked. */
  seconds: number;
  values: Record<string, number>;
}

/** Of a log's line: what is no figure of the training, or has a name of its own here. */
const NOT_FIGURES = new Set([
  'mode',
  'epoch',
  'iter',
  'lr',
  'time',
  'data_time',
  'feature_workers',
  'results',
]);

/**
 * A training's log as tracking servers show it: names as mmcv's TensorboardLoggerHook gives them, speed beside them. It
 * follows from the log alone, so that a training that resumes loses and doubles no step.
 *
 * @param batch crops of a step
 */
export function trainingScalars(lines: LogLine[], batch: number): Scalars[] {
  let seconds = startSeconds(lines);
  let done = 0;
  return lines.flatMap((line): Scalars[] => {
    const { mode, iter: step } = line;
    if (step === undefined || (mode !== 'train' && mode !== 'val')) return [];
    const { lr, time, data_time: dataTime, feature_workers: featureWorkers } = line;
    const values: Record<string, number> = {};
    for (const [name, value] of Object.entries(line))
      if (!NOT_FIGURES.has(name) && typeof value === 'number') values[`${mode}/${name}`] = value;
    if (mode === 'train') {
      if (typeof lr === 'number') values.learning_rate = lr;
      if (typeof time === 'number' && time > 0) {
        seconds += time * Math.max(0, step - done);
        values['speed/seconds_per_step'] = time;
        values['speed/crops_per_second'] = batch / time;
      }
      if (typeof dataTime === 'number') values['speed/data_seconds_per_step'] = dataTime;
      if (typeof featureWorkers === 'number') values['speed/feature_workers'] = featureWorkers;
      done = step;
    }
    return Object.keys(values).length > 0 ? [{ step, seconds, values }] : [];
  });
}

/** An evaluation's metrics; of one that is partial, under names of their own. Classes without a value are left out. */
export function evaluationScalars({ run, metrics, partial, perClass }: Results): Scalars {
  const means = partial
    ? Object.entries(partial.metrics).map(([name, value]) => [`partial/${name}`, value] as const)
    : Object.entries(metrics).map(([name, value]) => [`val/${name}`, value] as const);
  const prefix = partial ? 'partial' : 'val';
  const classes = perClass.flatMap(({ name, IoU, Acc }) => [
    [`${prefix}/IoU.${name}`, IoU] as const,
    [`${prefix}/Acc.${name}`, Acc] as const,
  ]);
  const values: Record<string, number> = {};
  for (const [name, value] of [...means, ...classes]) if (typeof value === 'number') values[name] = value;
  return { step: 0, seconds: Date.parse(run.finishedAt) / 1000, values };
}

/** When a training began; logs of earlier versions don't tell. */
export function startSeconds(lines: LogLine[]): number {
  const started = lines[0]?.started_at;
  const milliseconds = typeof started === 'string' ? Date.parse(started) : Number.NaN;
  return Number.isNaN(milliseconds) ? 0 : milliseconds / 1000;
}
