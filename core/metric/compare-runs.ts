import type { Change, ClassChange, Comparison } from '../config/comparison.ts';
import { BadInput } from '../config/failures.ts';
import type { Results } from '../config/results.ts';
import { BOOTSTRAP, type Bootstrap, type Certainty, compareMatrices, type Interval } from './compare.ts';
import type { ImageMatrices } from './image-matrices.ts';
import type { Share } from './metrics.ts';

export interface PublishedRun {
  /** As the user calls it. */
  name: string;
  results: Results;
  /** null: there are none beside the results; earlier versions kept none. */
  perImage: ImageMatrices | null;
}

/**
 * What has become better or worse from the first run to each of the others.
 *
 * @throws BadInput if a run is of other images, classes or labels, or partial
 */
export function compareRuns(
  baseline: PublishedRun,
  others: PublishedRun[],
  bootstrap: Bootstrap = BOOTSTRAP,
): Comparison {
  for (const other of others) ensureComparable(baseline, other);
  const { name, split, images, sha256 } = baseline.results.inputs.dataset;
  return {
    version: 1,
    kind: 'comparison',
    dataset: { name, split, images, sha256 },
    bootstrap: { ...bootstrap },
    baseline: runOf(baseline),
    comparisons: others.map((other) => comparePair(baseline, other, bootstrap)),
  };
}

function comparePair(
  a: PublishedRun,
  b: PublishedRun,
  bootstrap: Bootstrap,
): Comparison['comparisons'][number] {
  const certainty = a.perImage && b.perImage ? compareMatrices(a.perImage, b.perImage, bootstrap) : null;
  const mean = (key: 'mIoU' | 'mAcc' | 'aAcc') =>
    changeOf(a.results.metrics[key], b.results.metrics[key], certainty?.[key] ?? null);
  const perClass = a.results.perClass.map((before, index): ClassChange => {
    const found = certainty?.perClass[index];
    const sure = found?.certainty ?? null;
    const change = changeOf(before.IoU, b.results.perClass[index]!.IoU, sure?.interval ?? null);
    return {
      ...change,
      class: before.class,
      name: before.name,
      labelPixels: before.labelPixels,
      images: found?.images ?? null,
      p: sure?.p ?? null,
      excludesZero: change.interval && excludesZero(change.interval),
      significant: sure?.significant ?? null,
    };
  });
  return {
    run: runOf(b),
    mIoU: mean('mIoU'),
    mAcc: mean('mAcc'),
    aAcc: mean('aAcc'),
    perClass: perClass.toSorted((one, other) => weightOf(other) - weightOf(one)),
    notes: notesOn(a, b, { certainty, perClass, confidence: bootstrap.confidence }),
  };
}

export function excludesZero([low, high]: Interval): boolean {
  return low > 0 || high < 0;
}

function changeOf(before: Share, after: Share, interval: Interval | null): Change {
  const difference = before === null || after === null ? null : after - before;
  return { before, after, difference, interval: difference === null ? null : interval };
}

/** What holds comes before what excludes 0, and that before all else; a difference is at most 1. */
function weightOf({ significant, excludesZero, difference }: ClassChange): number {
  if (difference === null) return -1;
  return (significant ? 4 : excludesZero ? 2 : 0) + Math.abs(difference);
}

function notesOn(
  a: PublishedRun,
  b: PublishedRun,
  found: { certainty: Certainty | null; perClass: ClassChange[]; confidence: number },
): string[] {
  const notes: string[] = [];
  if (a.results.coverage.predictionsSha256 === b.results.coverage.predictionsSha256)
    notes.push('The label maps of both runs are the same, bit for bit.');
  const without = [a, b].filter(({ perImage }) => perImage === null).map(({ name }) => name);
  if (without.length > 0)
    notes.push(
      `No intervals: ${without.join(' and ')} has no per-image matrices beside its results. Earlier versions kept none: evaluate again to have them.`,
    );
  const looked = found.perClass.filter(({ excludesZero }) => excludesZero !== null).length;
  const share = 1 - found.confidence;
  if (looked > 1)
    notes.push(
      `Of ${looked} intervals about ${Math.max(1, Math.round(share * looked))} would exclude 0 by chance; of the changes marked as significant, ${Math.round(100 * share)} % at most are expected to be false.`,
    );
  if (found.certainty && found.certainty.mIoU === null)
    notes.push('No intervals: the dataset has too few images to tell.');
  return notes;
}

function ensureComparable(a: PublishedRun, b: PublishedRun): void {
  const [one, other] = [a.results, b.results];
  const dataset = ({ inputs: { dataset } }: Results) =>
    `${dataset.name}, ${dataset.split}, ${dataset.images} images (manifest ${dataset.sha256.slice(0, 8)})`;
  if (one.inputs.dataset.sha256 !== other.inputs.dataset.sha256)
    throw new BadInput(
      `${a.name} and ${b.name} are of different datasets: ${dataset(one)} and ${dataset(other)}. ` +
        'Evaluate both on the same staged dataset',
    );
  for (const { name, results } of [a, b])
    if (results.partial)
      throw new BadInput(
        `${name}: its results are of ${results.partial.images} of ${results.partial.ofImages} images (${results.partial.reason}). ` +
          'Evaluate all of them to compare it',
      );
  const names = ({ perClass }: Results) => perClass.map(({ name }) => name);
  const differing = names(one).findIndex((name, i) => name !== names(other)[i]);
  if (differing >= 0 || one.perClass.length !== other.perClass.length)
    throw new BadInput(
      `${a.name} and ${b.name} have different class lists: ${one.perClass.length} and ${other.perClass.length} classes` +
        (differing < 0
          ? ''
          : `; class ${differing} is ${names(one)[differing]} and ${names(other)[differing]}`),
    );
  const label = one.perClass.find(({ labelPixels }, i) => labelPixels !== other.perClass[i]!.labelPixels);
  if (label)
    throw new BadInput(
      `${a.name} and ${b.name} read the labels in different ways: class ${label.name.trim()} has ${label.labelPixels} and ` +
        `${other.perClass[label.class]!.labelPixels} label pixels. Compare dataset.reduceZeroLabel, ignoreIndex and classes of their configs`,
    );
}

function runOf({ name, results: { run, inputs } }: PublishedRun): Comparison['baseline'] {
  return {
    name,
    workflowId: run.workflowId,
    runId: run.runId,
    config: run.config.name,
    finishedAt: run.finishedAt,
    weights: inputs.weights.uri,
    head: inputs.head?.uri ?? null,
  };
}
