import path from 'node:path';
import { BadInput } from '../core/config/failures.ts';
import { ensureServer } from '../infra/local/servers.mjs';
import { readRunningStack, stackEnv } from '../infra/local/stack.ts';
import { stateFolder } from '../workers/environment.ts';
import { interrupted, startLocalStack } from './session.ts';
import { terminal } from './terminal.ts';

/** Keeps Temporal, S3 and a control worker up until Ctrl-C. */
export async function keepStack(): Promise<void> {
  const screen = terminal();
  if (await readRunningStack(stateFolder()))
    throw new BadInput('a local stack is up already; in another terminal: eval "$(npx tessera env)"');
  await using stack = await startLocalStack(screen);
  screen.print(
    [
      '',
      'In another terminal:',
      '  eval "$(npx tessera env)"      # addresses, credentials, and `temporal` on PATH',
      "  npx tessera demo               # stages the demo's data and runs it here",
      '  temporal workflow start --type EvalMIoU --task-queue tessera --workflow-id my-run \\',
      `    --input-file ${path.relative(process.cwd(), path.join(stateFolder(), 'demo-input.json'))}`,
      `  temporal workflow query --type progress --workflow-id my-run      # or look at ${stack.temporalUiUrl}`,
      '',
      'Ctrl-C ends it; its state stays.',
    ].join('\n'),
  );
  const reason = await Promise.race([interrupted().then(() => null), stack.failed]);
  screen.step('stopping');
  if (reason) throw new BadInput(reason);
}

/** Prints the local stack's environment, for a shell. */
export async function printEnvironment(): Promise<void> {
  const stack = await readRunningStack(stateFolder());
  if (!stack) throw new BadInput('no local stack is up: start one with `npx tessera stack`');
  const temporal = path.dirname(await ensureServer('temporal'));
  for (const [name, value] of Object.entries(stackEnv(stack))) console.log(`export ${name}='${value}'`);
  console.log(`export PATH='${temporal}':"$PATH"`);
}
