import type { TrainConfig } from '../config/train.ts';

/**
 * The learning rate of a step: polynomial decay to `minLr`, with a linear warm-up over the first steps.
 *
 * @param step from 0
 * @param lrScale of the parameter group
 * @see mmcv 1.7 `PolyLrUpdaterHook` with warmup='linear', by_epoch=False
 */
export function learningRate(
  { steps, optimizer, schedule }: Pick<TrainConfig, 'steps' | 'optimizer' | 'schedule'>,
  step: number,
  lrScale = 1,
): number {
  const { power, minLr, warmup } = schedule;
  const decayed = (optimizer.lr * lrScale - minLr) * (1 - step / steps) ** power + minLr;
  if (step >= warmup.steps) return decayed;
  return decayed * (1 - (1 - step / warmup.steps) * (1 - warmup.ratio));
}
