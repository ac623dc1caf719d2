import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensurePackages } from './packages.mjs';
import { ensureServer } from './servers.mjs';
import { SetupError } from './steps.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NEED_SERVERS = new Set(['demo', 'stack', 'bench']);

/**
 * Makes ready what a command needs, and runs it.
 *
 * @param {string[]} argv `tessera [ARGS]`, `vitest [ARGS]`, or nothing
 */
export async function bootstrap([program, ...args]) {
  const run = { tessera: runTessera, vitest: runVitest, undefined: undefined };
  if (!(String(program) in run)) {
    console.error(`bootstrap.mjs runs \`tessera\` or \`vitest\`, not \`${program}\`.`);
    process.exit(2);
  }
  await untilReady(async (signal) => {
    await ensurePackages(ROOT, signal);
    if (program === 'tessera' && !NEED_SERVERS.has(args[0])) return;
    // One after the other: two Go builds at once take as long and twice the memory.
    await ensureServer('versitygw', { signal });
    await ensureServer('temporal', { signal });
  });
  await run[String(program)]?.(args);
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

// In this process rather than in a child: nothing to forward, nothing that could be left behind.

async function runTessera(args) {
  const main = join(ROOT, 'cli/main.ts');
  process.env.TSX_TSCONFIG_PATH ??= join(ROOT, 'tsconfig.json'); // Else tsx takes that of the current folder.
  await import('tsx');
  process.argv = [process.argv[0], main, ...args];
  await import(pathToFileURL(main).href);
}

async function runVitest(args) {
  const main = join(ROOT, 'node_modules/vitest/vitest.mjs');
  process.chdir(ROOT);
  process.argv = [process.argv[0], main, 'run', ...args];
  await import(pathToFileURL(main).href);
}
