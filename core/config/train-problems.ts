import { headType } from '../model/head.ts';
import { matchesPattern, trainableNames } from '../train/trainable.ts';
import { didYouMean } from './did-you-mean.ts';
import type { VitConfig, VitModel } from './model-kinds.ts';
import type { TrainConfig } from './train.ts';

/** What the fields of a `train` section say about one another and about the model. */
export function trainProblems({ model, train, run }: VitConfig): (string | false)[] {
  if (!train) return [];
  const { head, auxiliaryHead: auxiliary } = model;
  const { longPx, shortPx, ratioRange } = train.augmentation;
  const { optimizer, schedule } = train;
  return [
    ...unmatchedPatterns(model, train),
    train.dropPathRate > 0 &&
      train.trainable === 'head' &&
      `train.dropPathRate is ${train.dropPathRate}, but frozen blocks drop nothing: set train.trainable to all, or leave it out`,
    train.trainable !== 'head' &&
      run.precision === 'float16' &&
      'run.precision is float16, in which the gradients of a backbone that trains get lost: expected bfloat16 or float32',
    schedule.warmup.steps > train.steps &&
      `train.schedule.warmup.steps is ${schedule.warmup.steps}, more than train.steps ${train.steps}`,
    schedule.minLr > optimizer.lr &&
      `train.schedule.minLr is ${schedule.minLr}, more than train.optimizer.lr ${optimizer.lr}`,
    ratioRange[0] > ratioRange[1] &&
      `train.augmentation.ratioRange is ${ratioRange[0]} to ${ratioRange[1]}; expected the smaller one first`,
    shortPx > longPx &&
      `train.augmentation.shortPx is ${shortPx}, more than train.augmentation.longPx ${longPx}`,
    Math.trunc(shortPx * ratioRange[0]) < 1 &&
      `train.augmentation.ratioRange begins at ${ratioRange[0]}, which makes less than a pixel of shortPx ${shortPx}`,
    ...headType(head).trainingProblems(head, train),
    headType(head).neck === null &&
      auxiliary !== undefined &&
      `model.auxiliaryHead is trained on a level of the feature pyramid, which a head of type ${head.type} has not`,
    auxiliary !== undefined &&
      auxiliary.classes !== head.classes &&
      `model.auxiliaryHead.classes is ${auxiliary.classes}, but model.head.classes is ${head.classes}`,
  ];
}

/** Patterns of `train.trainable` that name nothing of the model. */
function unmatchedPatterns(model: VitModel, { trainable }: TrainConfig): string[] {
  if (typeof trainable === 'string') return [];
  const names = trainableNames(model);
  return trainable
    .filter((pattern) => !names.some((name) => matchesPattern(pattern, name)))
    .map(
      (pattern) => `train.trainable has ${pattern}, which matches no parameter${didYouMean(pattern, names)}`,
    );
}
