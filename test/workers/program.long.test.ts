import { describe, expect, test } from 'vitest';
import { programArguments } from '../../infra/local/program.ts';
import { startNode, until } from '../infra/observe.ts';

/** A program around a stand-in for Temporal's worker; `body` is what its main does. */
function start(body: string) {
  const source = `
    import { runProgram } from './workers/program.ts';
    import { BadInput, Unavailable } from './core/config/failures.ts';
    function fakeWorker() {
      let state = 'RUNNING', end;
      const running = new Promise((resolve) => { end = resolve; });
      return {
        getState: () => state,
        run: async () => { const alive = setInterval(() => {}, 1000); console.log('running'); await running; clearInterval(alive); },
        shutdown() { state = 'STOPPING'; console.log('shut down'); end(); },
      };
    }
    await runProgram(async (life) => { ${body} });`;
  return startNode(['--import', 'tsx', '--input-type=module', '-e', source]);
}

async function stopped(program: ReturnType<typeof start>, signal: NodeJS.Signals) {
  await until('it runs', () => program.output().includes('running'));
  const began = performance.now();
  program.child.kill(signal);
  return {
    ended: await program.exited,
    seconds: (performance.now() - began) / 1000,
    output: program.output(),
  };
}

describe('a worker program', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'ends by %s after its worker and its cleaning up',
    async (signal) => {
      const program = start(`await life.serve(fakeWorker(), async () => console.log('clean'))`);
      const { ended, output } = await stopped(program, signal);
      // To a shell, and to a kubelet, that is 128 and the signal's number.
      expect(ended).toBe(signal);
      expect(output).toBe(`running\n${signal}: stopping\nshut down\nclean\n`);
    },
  );

  test('ends by SIGTERM within 3 s, even if its cleaning up takes longer', async () => {
    const program = start(`await life.serve(fakeWorker(), () => new Promise((r) => setTimeout(r, 60_000)))`);
    const { ended, seconds } = await stopped(program, 'SIGTERM');
    expect(ended).toBe('SIGTERM');
    expect(seconds).toBeLessThan(3);
  });

  test('ends by SIGTERM within about 3 s, even if its worker does not stop', async () => {
    const program = start(`
      const worker = { ...fakeWorker(), shutdown() {} };
      await life.serve(worker, async () => console.log('clean'))`);
    const { ended, seconds, output } = await stopped(program, 'SIGTERM');
    expect(ended).toBe('SIGTERM');
    expect(seconds).toBeLessThan(3.5);
    expect(output).toContain('clean');
  });

  test('that is told to stop before it serves ends at once', async () => {
    const program = start(`console.log('running'); await new Promise((r) => setTimeout(r, 60_000))`);
    const { ended, seconds } = await stopped(program, 'SIGTERM');
    expect(ended).toBe('SIGTERM');
    expect(seconds).toBeLessThan(1);
  });

  test('whose worker is shut down from within was done: exit code 0, and cleaned up', async () => {
    const program = start(`
      const worker = fakeWorker();
      setTimeout(() => worker.shutdown(), 100);
      await life.serve(worker, async () => console.log('clean'))`);
    expect(await program.exited).toBe('0');
    expect(program.output()).toContain('clean');
  });

  test.each([
    [`throw new BadInput('TESSERA_X is not set')`, '64', /^✗ TESSERA_X is not set\n$/],
    [`throw new Unavailable('Temporal is away')`, '1', /^✗ Temporal is away\n$/],
    [`throw new TypeError('a bug')`, '1', /TypeError: a bug\n +at /],
  ])(
    'that fails by %s ends with exit code %s, and only a bug shows its stack',
    async (body, code, output) => {
      const program = start(body);
      expect(await program.exited).toBe(code);
      expect(program.output()).toMatch(output);
    },
  );
});

describe('a GPU worker', () => {
  const gpu = (env: NodeJS.ProcessEnv) =>
    startNode(programArguments('workers/gpu'), { PATH: process.env.PATH, ...env });

  test('without a queue to serve is misconfigured', async () => {
    const program = gpu({});
    expect(await program.exited).toBe('64');
    expect(program.output()).toBe(
      '✗ TESSERA_TASK_QUEUE is not set: it names the run whose shards this worker takes\n',
    );
  });

  test('with a certificate that isn’t there is misconfigured', async () => {
    const env = {
      TESSERA_TASK_QUEUE: 'q',
      TESSERA_WORKER: 'w',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/no/ca.pem',
    };
    const program = gpu(env);
    expect(await program.exited).toBe('64');
    expect(program.output()).toMatch(
      /^worker w starts, for q\n✗ TEMPORAL_TLS_SERVER_CA_CERT_PATH: \/no\/ca\.pem can't be read/,
    );
  });
});
