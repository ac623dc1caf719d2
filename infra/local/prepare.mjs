import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensurePackages } from './packages.mjs';
import { ensureServer } from './servers.mjs';
import { SetupError } from './steps.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
/** Commands that are given the servers; the others start without, or ask for them. */
const NEED_SERVERS = { tessera: ['demo', 'stack'], dev: ['bench'] };
/** What `check:cuda` prints instead of testing. */
const TABLES = { '--memory': 'memory.ts', '--training': 'training.ts' };

/**
 * Makes ready what a command needs, and runs it.
 *
 * @param {string[]} argv `tessera [ARGS]`, `dev COMMAND [ARGS]`, `vitest [ARGS]`, `k8s [ARGS]`, `k8s-bench [ARGS]`, `cuda [ARGS]`, `dist`, or nothing
 */
export async function bootstrap([program, ...args]) {
  const run = {
    tessera: (words) => runProgram('cli/main.js', words),
    dev: (words) => runProgram('test/dev.js', words),
    vitest: runVitest,
    k8s: runK8s,
    'k8s-bench': benchK8s,
    cuda: checkCuda,
    dist: makeDist,
    undefined: undefined,
  };
  if (!(String(program) in run)) {
    console.error(`bootstrap.mjs runs one of ${Object.keys(run).slice(0, -1).join(', ')}, not ${program}.`);
    process.exit(2);
  }
  let ready;
  await untilReady(async (signal) => {
    if (isClone()) {
      await ensurePackages(ROOT, signal);
      const { ensureBuild } = await import('./build.mjs');
      process.env.TESSERA_BUILD = await ensureBuild(ROOT, signal);
    }
    if (program === 'dist' || NEED_SERVERS[program]?.includes(args[0]) === false) return;
    if (program === 'cuda') {
      const { prepareCuda } = await import('../cuda-check/provider.mjs');
      ready = await prepareCuda(ROOT, signal);
      return;
    }
    // A cluster of the user's own stands ready as it is.
    const needsCluster = program === 'k8s-bench' || (program === 'k8s' && !process.env.KUBECONFIG);
    const cluster = needsCluster ? await import('./kubernetes/cluster.mjs') : null;
    await cluster?.ensureContainerTools(ROOT, signal);
    // One after the other: two Go builds at once take as long and twice the memory.
    const versitygw = await ensureServer('versitygw', { signal });
    const temporal = await ensureServer('temporal', { signal });
    if (!String(program).startsWith('k8s')) return;
    process.env.TESSERA_VERSITYGW_BIN = versitygw;
    process.env.TESSERA_TEMPORAL_BIN = temporal;
    if (program === 'k8s-bench') process.env.TESSERA_KWOK_BIN = await ensureServer('kwok', { signal });
    if (cluster) ready = await cluster.prepareCluster(ROOT, versitygw, signal);
  });
  await run[String(program)]?.(args, ready);
}

/** As opposed to the npm package, which has everything compiled, and whose packages are not ours to manage. */
function isClone() {
  return existsSync(join(ROOT, 'package-lock.json'));
}

/** The folder of the compiled code. */
function compiled() {
  return process.env.TESSERA_BUILD ?? join(ROOT, 'dist');
}

/** Runs `work`; a signal stops what it started, and then ends us as that signal does. */
async function untilReady(work) {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const interrupt = (signal) => controller.abort(signal);
  for (const signal of signals) process.on(signal, interrupt);
  try {
    await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) process.exit(128 + constants.signals[controller.signal.reason]);
    console.error(error instanceof SetupError ? `✗ ${error.message}` : error);
    process.exit(1);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

// The AWS SDK warns at each start that it will ask for Node 22 in 2027. Its version is pinned, so it won't here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
// For what loads ONNX Runtime before activities/onnx/no-telemetry.ts could set it: the preload of check:cuda.
process.env.ORT_DISABLE_TELEMETRY = '1';

// In this process rather than in a child: nothing to forward, nothing that could be left behind.

async function runProgram(file, args) {
  const main = join(compiled(), file);
  process.argv = [process.argv[0], main, ...args];
  await import(pathToFileURL(main).href);
}

/** What npm packs: `npm pack` and `npm publish` call it. */
async function makeDist() {
  process.argv = [process.argv[0], '', '--bundle', '--types'];
  await import('../package/make-dist.mjs');
}

async function runVitest(args) {
  // The tests on Kubernetes want a cluster, which only `k8s` brings, and those on CUDA what `cuda` does.
  const isChosen = args.some((arg) => arg.startsWith('--project'));
  // What takes minutes runs if it is asked for: by name, or with all.
  const isNamed = args.length > 0 && !args[0].startsWith('-');
  const projects = isChosen ? [] : ['unit', 'core', 'servers', ...(isNamed ? ['long'] : [])];
  const reporters = isChosen && args.includes('long') ? reporting(args) : [];
  await vitest([...projects.flatMap((name) => ['--project', name]), ...reporters, ...args]);
}

/** Tests that take minutes are reported one by one: a file says nothing for ten. */
function reporting(args) {
  return args.some((arg) => arg.startsWith('--reporter')) ? [] : ['--reporter=verbose'];
}

async function runK8s(args, cluster) {
  const tests = ['--project', 'cluster', ...reporting(args), ...args];
  if (!cluster) {
    process.env.KUBE ??= '/usr/bin/env'; // `$KUBE kubectl`: the one on PATH.
    return vitest(tests);
  }
  const { runInCluster } = await import('./kubernetes/cluster.mjs');
  process.exitCode = await runInCluster(cluster, [process.execPath, VITEST, 'run', ...tests], ROOT);
}

/** Its pods go to pretended nodes only, which ask for no machine of theirs. */
async function benchK8s(args, cluster) {
  const command = [process.execPath, join(compiled(), 'test/dev.js'), 'bench-scale', ...args];
  const { runInCluster } = await import('./kubernetes/cluster.mjs');
  process.exitCode = await runInCluster(cluster, command, ROOT);
}

async function vitest(args) {
  process.chdir(ROOT);
  process.argv = [process.argv[0], VITEST, 'run', ...args];
  await import(pathToFileURL(VITEST).href);
}

/** In processes of its own, since a program's libraries are looked for where its environment said when it started. */
async function checkCuda([first, ...rest], { libraries, skipped }) {
  if (skipped) {
    console.log(`npm run check:cuda: skipped, ${skipped}`);
    return;
  }
  const trace = await mkdtemp(join(tmpdir(), 'tessera-cuda-'));
  const table = TABLES[first] && [join(ROOT, 'infra/cuda-check', TABLES[first]), ...rest];
  const tests = [VITEST, 'run', '--project', 'cuda', ...(first === undefined ? [] : [first]), ...rest];
  const program = table ? ['--import', 'tsx', ...table] : tests;
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${new URL('../cuda-check/watch.mjs', import.meta.url)}`,
    FAKE_CUDA_TRACE: trace,
  };
  const child = spawn(process.execPath, program, { cwd: ROOT, env, stdio: 'inherit' });
  // A terminal's Ctrl-C reaches it as well; other signals are handed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const [code, signal] = await once(child, 'exit');
  await rm(trace, { recursive: true, force: true });
  process.exitCode = signal ? 128 + constants.signals[signal] : code;
}
