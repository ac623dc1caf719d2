/**
 * Yields `load` of each item in order, with up to `ahead` more under way: what comes next is fetched and
 * decoded while what is at hand is worked on.
 */
export async function* prefetch<T, R>(
  items: T[],
  ahead: number,
  load: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  for (const item of items) {
    const loading = load(item);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    loading.catch(() => {});
    underWay.push(loading);
    if (underWay.length > ahead) yield await (underWay.shift() as Promise<R>);
  }
  for (const loading of underWay) yield await loading;
}
