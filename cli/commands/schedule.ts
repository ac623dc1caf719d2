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
    .description("start runs at fixed times, by Temporal's schedules");

  schedule
    .command('create')
    .description('start `run`, `train` or `reproduce` at these times; its config is read now')
    .argument('<id>', 'id of the schedule; its runs are called <id>-<time>')
    .argument(
      '<command...>',
      'after --: the command to start, such as: run tiny --weights s3://… --dataset s3://…',
    )
    .requiredOption('--cron <expression...>', 'start times: "0 3 * * *" is every night at three')
    .option('--timezone <name>', 'time zone of the expression, such as Europe/Berlin (default: UTC)')
    .addOption(
      new Option('--overlap <policy>', 'what to do if the previous run is still running')
        .choices(OVERLAPS)
        .default('skip'),
    )
    .option('--paused', 'start nothing until `tessera schedule unpause`')
    .action(async (id: string, words: string[], options: ScheduleOptions) =>
      (await import('../schedule/create.ts')).createSchedule(id, words, options),
    );

  schedule
    .command('ls')
    .description('list schedules: what they start, when next, and what they started last')
    .option('--json', 'print JSON')
    .action(async (options: { json?: true }) =>
      (await import('../schedule/manage.ts')).listSchedules(options),
    );

  for (const [name, means] of [
    ['trigger', 'start the run now'],
    ['pause', 'start nothing until `unpause`'],
    ['unpause', 'start runs again'],
    ['delete', 'remove the schedule; a running run continues'],
  ] as const)
    schedule
      .command(name)
      .description(means)
      .argument('<id>')
      .action(async (id: string) => (await import('../schedule/manage.ts')).changeSchedule(name, id));
}
