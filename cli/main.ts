import { CommanderError } from 'commander';
import { isClone } from '../workers/environment.ts';
import { exitCode } from './exit-codes.ts';
import { tesseraProgram } from './program.ts';

const program = tesseraProgram();
// `tessera logs … | head`: who reads has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

// Benchmarks and what else is for Tessera's own developers: out of sight, and not in the npm package.
try {
  if (process.argv[2] === 'dev' && isClone) (await import('./dev.ts')).devCommands(program);
  await program.parseAsync();
} catch (error) {
  // Commander has said it already; help and version are no errors. Nothing more is loaded for them.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCode('Usage');
  else (await import('./end-with.ts')).endWith(error);
}
