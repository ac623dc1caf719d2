import type { V1Pod, Watch } from '@kubernetes/client-node';
import { afterEach, expect, test } from 'vitest';
import { type Followed, follow } from '../../../../activities/launch/kubernetes/follow.ts';
import { Unavailable } from '../../../../core/config/failures.ts';
import { until } from '../../../infra/observe.ts';

type OnEvent = (type: string, object: V1Pod) => void;

let followed: Followed<V1Pod> | undefined;
afterEach(() => followed?.stop());

/** An API server in a few lines: what it has, its watches, and how it misbehaves. */
function server() {
  const pods = new Map<string, V1Pod>();
  const watches: { onEvent: OnEvent; done: () => void; aborted: boolean }[] = [];
  const state = { pods, watches, lists: 0, isAway: false, acceptsWatches: true };
  const put = (name: string, phase: string) =>
    pods.set(name, { metadata: { name, uid: name }, status: { phase } });
  const watch: Pick<Watch, 'watch'> = {
    async watch(_path, _query, onEvent, done) {
      if (!state.acceptsWatches) await new Promise(() => {});
      const one = { onEvent, done: () => done(null), aborted: false };
      watches.push(one);
      const controller = new AbortController();
      controller.signal.addEventListener('abort', () => {
        one.aborted = true;
      });
      return controller;
    },
  };
  type Options = { watchSeconds?: number; stallMarginMs?: number; onChange?: (pod: V1Pod) => void };
  const start = (options: Options = {}) => {
    followed = follow<V1Pod>({
      watch,
      path: '/pods',
      labelSelector: 'x',
      ...options,
      async list() {
        state.lists++;
        if (state.isAway) throw new Unavailable('away');
        return { metadata: { resourceVersion: '1' }, items: [...pods.values()] };
      },
    });
    return followed;
  };
  return { state, put, start };
}

const phases = async (all: Followed<V1Pod>) => (await all.items()).map(({ status }) => status?.phase);

test('what is listed is there, and what a watch tells changes it', async () => {
  const { state, put, start } = server();
  put('a', 'Pending');
  const told: (string | undefined)[] = [];
  const all = start({ onChange: ({ metadata }) => told.push(metadata?.uid) });
  expect(await phases(all)).toEqual(['Pending']);
  await until('it watches', () => state.watches.length === 1);
  const { onEvent } = state.watches[0]!;
  onEvent('MODIFIED', { metadata: { uid: 'a' }, status: { phase: 'Running' } });
  onEvent('ADDED', { metadata: { uid: 'b' }, status: { phase: 'Pending' } });
  expect(await phases(all)).toEqual(['Running', 'Pending']);
  onEvent('DELETED', { metadata: { uid: 'a' } });
  expect(await phases(all)).toEqual(['Pending']);
  expect(told).toEqual(['a', 'b']);
});

test('a watch that ends is followed by a list, which shows what was missed between', async () => {
  const { state, put, start } = server();
  put('a', 'Pending');
  const all = start();
  await until('it watches', () => state.watches.length === 1);
  put('a', 'Failed');
  state.watches[0]!.done();
  await until('it watches again', () => state.watches.length === 2);
  expect(await phases(all)).toEqual(['Failed']);
  expect(all.stalls()).toBe(0);
});

test('a version that is too old is listed anew', async () => {
  const { state, start } = server();
  start();
  await until('it watches', () => state.watches.length === 1);
  state.watches[0]!.onEvent('ERROR', { status: {} });
  await until('it watches again', () => state.watches.length === 2);
  expect(state.watches[0]!.aborted).toBe(true);
});

test.each([true, false])('a watch that stalls is noticed and given up (opened: %s)', async (opens) => {
  const { state, put, start } = server();
  state.acceptsWatches = opens;
  put('a', 'Pending');
  const all = start({ watchSeconds: 0.05, stallMarginMs: 50 });
  await until('it stalled', () => all.stalls() === 1);
  put('a', 'Failed');
  await until('it listed again', () => state.lists >= 2);
  expect(await phases(all)).toEqual(['Failed']);
});

test('a server that does not answer is told of, asked again, and believed when it is back', async () => {
  const { state, put, start } = server();
  state.isAway = true;
  const all = start();
  await expect(all.items()).rejects.toThrow('away');
  put('a', 'Running');
  state.isAway = false;
  await until('it listed again', () => state.watches.length === 1);
  expect(await phases(all)).toEqual(['Running']);
});
