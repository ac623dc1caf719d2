import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { BadData } from '../config/failures.ts';
import type { ShardRange } from '../shard/cut-shards.ts';

interface ImageEvidence {
  id: string;
  /** SHA-256 of the label map's bytes, one a pixel in C order, in hex. */
  predictionSha256: string;
  labelledPixels: number;
}

export interface ShardEvidence {
  shard: number;
  images: readonly ImageEvidence[];
  /** Sum over the shard's confusion matrix. */
  matrixTotal: number;
}

export interface CoverageInput {
  /** In the manifest's order. */
  imageIds: readonly string[];
  /** Contiguous, in the manifest's order. */
  shards: readonly ShardRange[];
  evidence: readonly ShardEvidence[];
  /** Only the shards that there is evidence of were to be evaluated: a budget was spent. */
  isPartial?: boolean;
}

export interface Coverage {
  images: number;
  labelledPixels: number;
  /** SHA-256 over the digests of all predictions (32 bytes each) in the manifest's order: the same for every way to cut shards. */
  predictionsSha256: string;
}

/** What of a dataset was evaluated, if not all of it. */
export interface PartialCoverage {
  images: number;
  ofImages: number;
  shards: number;
  ofShards: number;
  /** Images in the manifest's order: from `first` on so many. */
  ranges: { first: number; count: number }[];
}

/** What the shards that were evaluated are of the whole; neighbours are one range. */
export function partialCoverage(
  shards: readonly ShardRange[],
  evaluated: ReadonlySet<number>,
): PartialCoverage {
  const ranges: PartialCoverage['ranges'] = [];
  for (const { shard, first, count } of shards) {
    if (!evaluated.has(shard)) continue;
    const last = ranges.at(-1);
    if (last && last.first + last.count === first) last.count += count;
    else ranges.push({ first, count });
  }
  const images = (of: readonly { count: number }[]) => of.reduce((sum, { count }) => sum + count, 0);
  return {
    images: images(ranges),
    ofImages: images(shards),
    shards: evaluated.size,
    ofShards: shards.length,
    ranges,
  };
}

/** Names that a message lists before it only counts. */
const NAMES_SHOWN = 5;

/**
 * Proves that the shards' results are the whole dataset, or of a partial one all that was begun: every image exactly once, in the shard
 * that the plan gave it, and as many pixels in the matrices as in the images.
 *
 * @throws BadData naming what is missing, doubled, unexpected or in the wrong shard, or which pixels don't add up
 */
export function proveCoverage({
  imageIds: allIds,
  shards,
  evidence,
  isPartial = false,
}: CoverageInput): Coverage {
  const planned = plannedShards(allIds, shards);
  const begun = new Set(evidence.map(({ shard }) => shard));
  const imageIds = isPartial ? allIds.filter((id) => begun.has(planned.get(id)!)) : allIds;
  const found = new Map<string, ImageEvidence>();
  const doubled = new Set<string>();
  const unexpected: string[] = [];
  const misplaced: string[] = [];
  for (const { shard, images } of evidence) {
    for (const image of images) {
      const home = planned.get(image.id);
      if (home === undefined) unexpected.push(image.id);
      else if (found.has(image.id)) doubled.add(image.id);
      else if (home !== shard) misplaced.push(`${image.id} (in shard ${shard}, planned for ${home})`);
      found.set(image.id, image);
    }
  }
  const missing = imageIds.filter((id) => !found.has(id));
  const problems = [
    ...complaint('missing', missing),
    ...complaint('doubled', [...doubled]),
    ...complaint('unexpected', unexpected),
    ...complaint('in the wrong shard', misplaced),
  ];
  if (problems.length > 0) throw new BadData(`coverage: ${problems.join('; ')}`);

  const labelledPixels = evidence.reduce((sum, shard) => sum + provePixels(shard), 0);
  if (!Number.isSafeInteger(labelledPixels)) {
    throw new BadData(`coverage: ${labelledPixels} labelled pixels is no exact integer`);
  }
  const digest = sha256.create();
  for (const id of imageIds) digest.update(digestOf(found.get(id)!));
  return { images: imageIds.length, labelledPixels, predictionsSha256: bytesToHex(digest.digest()) };
}

/** Where the plan puts each image. @throws BadData if the plan itself leaves images out or has them twice */
function plannedShards(imageIds: readonly string[], shards: readonly ShardRange[]): Map<string, number> {
  const planned = new Map<string, number>();
  let next = 0;
  for (const { shard, first, count } of shards) {
    if (first !== next || !Number.isInteger(count) || count < 1) {
      throw new BadData(
        `plan: shard ${shard} is images ${first} to ${first + count - 1}, should start at image ${next}`,
      );
    }
    next += count;
    for (const id of imageIds.slice(first, next)) planned.set(id, shard);
  }
  if (next !== imageIds.length) {
    throw new BadData(`plan: shards hold ${next} images, the manifest has ${imageIds.length}`);
  }
  if (planned.size !== imageIds.length) {
    const seen = new Set<string>();
    const repeated = imageIds.filter((id) => seen.size === seen.add(id).size);
    throw new BadData(`manifest: ${complaint('doubled', repeated).join()}`);
  }
  return planned;
}

function provePixels({ shard, images, matrixTotal }: ShardEvidence): number {
  let pixels = 0;
  for (const { id, labelledPixels } of images) {
    if (!Number.isSafeInteger(labelledPixels) || labelledPixels < 0) {
      throw new BadData(`coverage: image ${id} has ${labelledPixels} labelled pixels, should be a count`);
    }
    pixels += labelledPixels;
  }
  if (pixels !== matrixTotal) {
    throw new BadData(
      `coverage: shard ${shard} has ${matrixTotal} pixels in its confusion matrix, but its images have ${pixels}`,
    );
  }
  return pixels;
}

function digestOf({ id, predictionSha256 }: ImageEvidence): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(predictionSha256)) {
    throw new BadData(`coverage: image ${id} has the digest '${predictionSha256}', should be 64 hex digits`);
  }
  return hexToBytes(predictionSha256);
}

function complaint(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return [`${names.length} ${what}: ${names.slice(0, NAMES_SHOWN).join(', ')}${more}`];
}
