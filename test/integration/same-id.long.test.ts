import { afterAll, beforeAll, expect, it } from 'vitest';
import { runEval } from '../../cli/run-workflow.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { startTessera, type Tessera, until } from './tessera.ts';

/* The same workflow id again: while it runs, and when it has finished. */
let tessera: Tessera;
beforeAll(async () => {
  tessera = await startTessera({ images: 8 });
});
afterAll(() => tessera[Symbol.asyncDispose]());

const ID = 'mine';
const overrides = ['run.shards=8', 'run.batch=1', 'run.workers=1'];

/** Runs as `tessera run` does, and gives what it said. */
async function run(input: ReturnType<Tessera['input']>) {
  const lines: string[] = [];
  const terminal: Terminal = {
    step() {},
    live() {},
    clear() {},
    done: (text) => lines.push(text),
    print: (text) => lines.push(text),
  };
  const result = await runEval(tessera.session, ID, input, terminal);
  return { result, said: lines.join('\n') };
}

it('gives the result of another input to nobody, and its own to everybody', async () => {
  const input = tessera.input({ overrides });
  const others = tessera.input({ overrides: [...overrides, 'run.overlays=0'], split: 'training' });
  const handle = await tessera.start(ID, input);
  await until(handle, ({ shards }) => shards.done > 0);
  await expect(run(others)).rejects.toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringMatching(
      /^mine: is running with another input: overrides was \[.*\] and is \[.*\]; split was "validation" and is "training"\. Choose another/,
    ),
  });
  const watched = await run(input);
  expect(watched.said).toContain('mine runs already with this input: watching it');
  expect(watched.result).toEqual(await handle.result());

  const again = await run(input);
  expect(again.result).toEqual({ ...watched.result, cached: true });
  expect(again.said).toContain('mine has finished before: these are the results of that run');
  await expect(run(tessera.input({ overrides: [...overrides, 'run.overlays=0'] }))).rejects.toMatchObject({
    message: expect.stringMatching(
      /already holds the results of other inputs: config\.run\.overlays was \d+ and is 0\./,
    ),
  });
});

it('leaves the folder of its results to nobody', async () => {
  const handle = await tessera.start('a b/../c', tessera.input({ overrides }));
  await expect(handle.result()).rejects.toMatchObject({
    cause: { type: 'BadInput', message: expect.stringContaining('workflow id "a b/../c": names the folder') },
  });
});
