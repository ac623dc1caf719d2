import type { Command } from 'commander';

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('make a tiny model and a mini ADE20K, and run the main job on them from end to end')
    .action(async () => (await import('../demo/demo.ts')).demo());
}
