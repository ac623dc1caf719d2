import { Command } from 'commander';
import { benchGpuCommand } from '../../commands/bench-gpu.ts';

/** The one command of `tessera` that a bare GPU machine runs: without what the others need. */
const program = new Command('tessera');
benchGpuCommand(program);
await program.parseAsync();
