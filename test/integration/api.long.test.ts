import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  compare,
  connect,
  follow,
  type Run,
  results,
  type Session,
  start,
  TypedFailure,
} from '../../cli/api.ts';
import { startTessera, type Tessera } from './tessera.ts';

/* The package's functions, as a TypeScript program calls them. */
let tessera: Tessera;
let session: Session;

beforeAll(async () => {
  tessera = await startTessera({ images: 12 });
  session = await connect();
});
afterAll(async () => {
  await session[Symbol.asyncDispose]();
  await tessera[Symbol.asyncDispose]();
});

const evaluate = (workflowId: string, overrides: string[]): Promise<Run<'EvalMIoU'>> =>
  start(session, 'EvalMIoU', tessera.input({ overrides }), { workflowId });

it('starts a run, follows it to its end, and reads what it has published', async () => {
  const run = await evaluate('one', ['run.shards=6', 'run.batch=1']);
  const seen: number[] = [];
  for await (const { imagesDone } of follow(run, { everyMs: 100 })) seen.push(imagesDone);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  const { mIoU, resultsUri } = await run.result();
  expect((await results(session, resultsUri)).metrics.mIoU).toBe(mIoU);
});

it('finds the run that is under way, and compares two', async () => {
  const first = await evaluate('two', ['run.batch=2']);
  const again = await evaluate('two', ['run.batch=2']);
  expect(await again.result()).toEqual(await first.result());
  const { comparisons } = await compare(['one', 'two'], { resamples: 200 });
  expect(comparisons[0]!.mIoU).toMatchObject({ difference: 0 });
});

it('fails with a sentence and its class, and can be cancelled', async () => {
  const wrong = await start(session, 'EvalMIoU', tessera.input({ config: 'tinny' }), { workflowId: 'wrong' });
  const failure: unknown = await wrong.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TypedFailure);
  expect(failure).toMatchObject({ failureClass: 'BadInput', message: expect.stringContaining('tiny') });
  const run = await evaluate('three', ['run.shards=12', 'run.batch=1']);
  await run.cancel();
  await expect(run.result()).rejects.toThrow('cancelled');
});
