import { CommanderError } from 'commander';
import { exitCode } from './exit-codes.ts';
import { tesseraProgram } from './program.ts';

const program = tesseraProgram();
// `tessera logs … | head`: who reads has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said it already; help and version are no errors. Nothing more is loaded for them.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCode('Usage');
  else (await import('./end-with.ts')).endWith(error);
}
