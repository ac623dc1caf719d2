import { Command } from 'commander';
import { benchGpuCommand } from '../commands/bench-gpu.ts';

/** The one command that a bare GPU machine runs: without what the others need. */
const program = new Command('dev');
benchGpuCommand(program);
await program.parseAsync();
