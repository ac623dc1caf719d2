/** A shard: `count` images of the manifest from index `first` on. */
export interface ShardRange {
  shard: number;
  first: number;
  count: number;
}

/**
 * Cuts a manifest into contiguous shards of about equal cost; the same input gives the same cut.
 *
 * @param costs one for each image in manifest order: crops that it makes
 * @param shards how many are wanted; fewer come back if there are fewer images
 */
export function cutShards(costs: number[], shards: number): ShardRange[] {
  const count = Math.min(shards, costs.length);
  const ranges: ShardRange[] = [];
  let rest = costs.reduce((sum, cost) => sum + cost, 0);
  let first = 0;
  for (let shard = 0; shard < count; shard++) {
    const target = rest / (count - shard);
    // Each later shard still needs an image.
    const limit = costs.length - (count - shard - 1);
    let end = first + 1;
    let cost = costs[first]!;
    while (end < limit && (shard === count - 1 || cost + costs[end]! / 2 <= target)) cost += costs[end++]!;
    ranges.push({ shard, first, count: end - first });
    rest -= cost;
    first = end;
  }
  return ranges;
}
