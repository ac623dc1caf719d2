import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Notice } from '../../core/config/notify.ts';
import { ROOT, startTessera, type Tessera, until } from './tessera.ts';

/* Who is told when a run ends: done, failed, cancelled. */
let tessera: Tessera;
let server: Server;
let host: string;
/** Taken, and refused with a 500: all by the workflow id. */
const taken: Notice[] = [];
const refused: string[] = [];
beforeAll(async () => {
  server = createServer(async (request, response) => {
    const notice: Notice = JSON.parse(await text(request));
    const times = refused.filter((id) => id === notice.workflowId).length;
    const isRefused = request.url === '/always-broken' || (request.url === '/broken-twice' && times < 2);
    if (isRefused) refused.push(notice.workflowId);
    else taken.push(notice);
    response.writeHead(isRefused ? 500 : 200).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.TESSERA_NOTIFY_TEST = `http://${host}/broken-twice`;
  tessera = await startTessera({ images: 6 });
});
afterAll(async () => {
  await tessera[Symbol.asyncDispose]();
  server.close();
});

const noticeOf = (id: string) => taken.filter(({ workflowId }) => workflowId === id);
const told = (path: string) => `run.notify.url=http://${host}${path}`;

it('a run that is done is told of once, though the receiver answers 500 twice before', async () => {
  const overrides = ['run.notify.urlFrom.env=TESSERA_NOTIFY_TEST'];
  const result = await tessera.run('done', tessera.input({ overrides, labels: { team: 'x' } }));
  expect(refused.filter((id) => id === 'done')).toHaveLength(2);
  expect(noticeOf('done')).toMatchObject([
    {
      text: expect.stringMatching(
        /^✓ tiny \(done\): mIoU [\d.]+ %, 6 images, s3:.*report\.html after \d+ s$/,
      ),
      state: 'done',
      type: 'EvalMIoU',
      name: 'tiny',
      labels: { team: 'x' },
      result: { mIoU: result.mIoU, images: 6, resultsUri: result.resultsUri },
    },
  ]);
  // The address is in no result.
  const results = await tessera.session.store.read(result.resultsUri);
  expect(results.toString()).not.toContain(host);
});

it('one that fails before its plan is there, and one that is cancelled, are told of as such', async () => {
  const overrides = [told('/'), 'run.shards=6', 'run.batch=1'];
  await expect(
    tessera.run('failed', tessera.input({ overrides, dataset: `${ROOT}/datasets/none` })),
  ).rejects.toThrow();
  expect(noticeOf('failed')).toMatchObject([
    { state: 'failed', failure: { class: 'BadInput', message: expect.stringContaining('Stage it first') } },
  ]);
  const handle = await tessera.start('cancelled', tessera.input({ overrides }));
  await until(handle, ({ shards }) => shards.done > 0);
  await handle.cancel();
  await expect(handle.result()).rejects.toThrow();
  expect(noticeOf('cancelled')).toMatchObject([
    { state: 'cancelled', text: expect.stringMatching(/^■ tiny/) },
  ]);
});

it('a receiver that stays broken costs the run nothing but the time of asking again', async () => {
  const { mIoU } = await tessera.run('unheard', tessera.input({ overrides: [told('/always-broken')] }));
  expect(mIoU).toBeGreaterThan(0);
  expect(refused.filter((id) => id === 'unheard')).toHaveLength(6);
  expect((await tessera.results('unheard')).metrics.mIoU).toBe(mIoU);
});

it('an input that is none still fails in a sentence', async () => {
  const handle = await tessera.start('none', null as never);
  await expect(handle.result()).rejects.toMatchObject({
    cause: { message: expect.stringContaining('EvalMIoU input: the whole: Invalid input') },
  });
});
