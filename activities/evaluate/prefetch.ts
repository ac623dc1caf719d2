/** How much may be under way. */
export interface Ahead<T> {
  /** Items beside the one at hand. */
  items: number;
  /** What an item weighs, and what all that are under way may weigh together; a heavier one is loaded alone. */
  weightOf(item: T): number;
  weight: number;
}

/**
 * Yields `load` of each item in order, with more under way: what comes next is fetched and decoded while what is at
 * hand is worked on.
 */
export async function* prefetch<T, R>(
  items: T[],
  ahead: Ahead<T>,
  load: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: { loading: Promise<R>; weight: number }[] = [];
  const total = () => underWay.reduce((sum, { weight }) => sum + weight, 0);
  for (const item of items) {
    const weight = ahead.weightOf(item);
    while (underWay.length > 0 && total() + weight > ahead.weight) yield await underWay.shift()!.loading;
    const loading = load(item);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    loading.catch(() => {});
    underWay.push({ loading, weight });
    if (underWay.length > ahead.items) yield await underWay.shift()!.loading;
  }
  for (const { loading } of underWay) yield await loading;
}
