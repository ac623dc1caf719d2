import { type Command, Option } from 'commander';

/** What happens when the run before is still at work, as Temporal names it. */
export const OVERLAPS = ['skip', 'buffer-one', 'buffer-all', 'cancel-other', 'allow-all'] as const;

export interface ScheduleOptions {
  cron: string[];
  timezone?: string;
  overlap: (typeof OVERLAPS)[number];
  paused?: true;
}

export function scheduleCommands(program: Command): void {
  const schedule = program
    .command('schedule')
    .description("start a run again and again, by Temporal's schedules");

  schedule
    .command('create')
    .description('start `run`, `train` or `reproduce` at these times; its config is read now')
    .argument('<id>', 'of the schedule; its runs are called <id>-<time>')
    .argument(
      '<command...>',
      'after --: what is started, such as: run tiny --weights s3://… --dataset s3://…',
    )
    .requiredOption('--cron <expression...>', 'when: "0 3 * * *" is each night at three')
    .option('--timezone <name>', 'of the expression, such as Europe/Berlin (default: UTC)')
    .addOption(
      new Option('--overlap <policy>', 'if the run before is still at work')
        .choices(OVERLAPS)
        .default('skip'),
    )
    .option('--paused', 'nothing is started until `tessera schedule unpause`')
    .action(async (id: string, words: string[], options: ScheduleOptions) =>
      (await import('../schedule/create.ts')).createSchedule(id, words, options),
    );

  schedule
    .command('ls')
    .description('list schedules: what, when next, and what they started last')
    .option('--json', 'print JSON')
    .action(async (options: { json?: true }) =>
      (await import('../schedule/manage.ts')).listSchedules(options),
    );

  for (const [name, means] of [
    ['trigger', 'start its run now'],
    ['pause', 'start nothing until `unpause`'],
    ['unpause', 'start runs again'],
    ['delete', 'remove it; a run at work stays'],
  ] as const)
    schedule
      .command(name)
      .description(means)
      .argument('<id>')
      .action(async (id: string) => (await import('../schedule/manage.ts')).changeSchedule(name, id));
}
