import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject, Watch } from '@kubernetes/client-node';
import { Unavailable } from '../../../core/config/failures.ts';

/** So long at most is a watch believed before everything is listed anew. */
const WATCH_SECONDS = 30;
/** A watch that is open beyond its own time limit has stalled: it reports no error. */
const STALL_MARGIN_MS = 5_000;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 5_000;

export interface Followed<T> {
  /** All objects as they are now, but for a second or two. @throws Unavailable if the API server can't be asked */
  items(): Promise<T[]>;
  /** Watches that stalled so far. */
  stalls(): number;
  stop(): void;
}

export interface FollowOptions<T> {
  watch: Pick<Watch, 'watch'>;
  /** Of the objects, such as `/api/v1/namespaces/x/pods`. */
  path: string;
  labelSelector: string;
  /** @throws Unavailable or BadInput */
  list(): Promise<{ metadata?: { resourceVersion?: string }; items: T[] }>;
  onRequest?: () => void;
  /** Called at once for each object of a watch event. */
  onChange?: (object: T) => void;
  watchSeconds?: number;
  stallMarginMs?: number;
}

/**
 * Keeps a copy of some objects of a cluster: lists them, watches for so long, and lists again.
 *
 * A watch can end in silence, on either side or between them, and look like a quiet one; being boxed in time bounds
 * what is missed by it.
 */
export function follow<T extends KubernetesObject>(options: FollowOptions<T>): Followed<T> {
  const { list, watchSeconds = WATCH_SECONDS, stallMarginMs = STALL_MARGIN_MS } = options;
  const stopped = new AbortController();
  let objects = new Map<string, T>();
  let failure: unknown = null;
  let stalls = 0;
  let firstAnswer = () => {};
  const answered = new Promise<void>((resolve) => {
    firstAnswer = resolve;
  });

  async function loop() {
    let backoff = FIRST_BACKOFF_MS;
    while (!stopped.signal.aborted) {
      try {
        const listed = await list();
        objects = new Map(listed.items.map((item) => [uidOf(item), item]));
        failure = null;
        firstAnswer();
        await watchFrom(listed.metadata?.resourceVersion);
        backoff = FIRST_BACKOFF_MS;
      } catch (error) {
        failure = error;
        firstAnswer();
        await sleep(backoff, undefined, { signal: stopped.signal }).catch(() => {});
        backoff = Math.min(2 * backoff, MAX_BACKOFF_MS);
      }
    }
  }

  /** Resolves when the watch has ended, for whatever reason; the next list shows whether something is wrong. */
  async function watchFrom(resourceVersion: string | undefined): Promise<void> {
    const ended = new AbortController();
    const end = () => ended.abort();
    const query = {
      labelSelector: options.labelSelector,
      ...(resourceVersion ? { resourceVersion } : {}),
      timeoutSeconds: watchSeconds,
      allowWatchBookmarks: true,
    };
    options.onRequest?.();
    const opened = options.watch.watch(options.path, query, onEvent, end);
    opened.then((connection) => {
      if (ended.signal.aborted)
        connection.abort(); // It was given up before it came about.
      else ended.signal.addEventListener('abort', () => connection.abort(), { once: true });
    }, end);

    function onEvent(type: string, object: T) {
      if (ended.signal.aborted) return;
      if (type === 'ADDED' || type === 'MODIFIED') {
        objects.set(uidOf(object), object);
        options.onChange?.(object);
      } else if (type === 'DELETED') objects.delete(uidOf(object));
      else if (type === 'ERROR') end(); // Too old a version: only a list helps.
    }

    const signal = AbortSignal.any([ended.signal, stopped.signal]);
    const patience = watchSeconds * 1000 + stallMarginMs;
    await sleep(patience, undefined, { signal }).then(
      () => {
        stalls++;
      },
      () => {},
    );
    end();
    // A server that ends watches at once must not be asked again at once.
    await sleep(100, undefined, { signal: stopped.signal }).catch(() => {});
  }

  loop();
  return {
    async items() {
      await answered;
      if (failure) throw failure;
      return [...objects.values()];
    },
    stalls: () => stalls,
    stop: () => {
      failure ??= new Unavailable('no longer watched');
      firstAnswer();
      stopped.abort();
    },
  };
}

function uidOf({ metadata }: KubernetesObject): string {
  return metadata?.uid ?? metadata?.name ?? '';
}
