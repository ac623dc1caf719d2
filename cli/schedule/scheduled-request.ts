import { Command, CommanderError } from 'commander';
import { BadInput } from '../../core/config/failures.ts';
import { reproduceCommand } from '../commands/reproduce.ts';
import { runCommand } from '../commands/run.ts';
import { trainCommand } from '../commands/train.ts';
import { evalRequest } from '../inputs/eval-request.ts';
import type { Request } from '../inputs/request.ts';
import { tableRequest } from '../inputs/table-request.ts';
import { trainRequest } from '../inputs/train-request.ts';
import type { OutcomeOptions } from '../run-outcome.ts';

/**
 * What a command would start, as its own words say it.
 *
 * @param id of the schedule: its runs are named after it, unless the words name them
 * @throws BadInput for words that are no command, and for whatever the command would refuse
 */
export async function scheduledRequest(id: string, words: string[]): Promise<Request<unknown>> {
  const found: { request: Request<unknown> | null } = { request: null };
  const named = <T extends { workflowId?: string }>(options: T) => ({
    ...options,
    workflowId: options.workflowId ?? id,
  });
  const program = new Command().exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  runCommand(program, async (config, options) => {
    refuseOutcome(options);
    found.request = await evalRequest(config, named(options));
  });
  trainCommand(program, async (config, options) => {
    refuseOutcome(options);
    found.request = await trainRequest(config, named(options));
  });
  reproduceCommand(program, async (names, options) => {
    refuseOutcome(options);
    found.request = await tableRequest(names, named(options));
  });
  for (const command of program.commands)
    command.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new BadInput(
      `${words.join(' ')}: ${error.message.replace(/^error: /, '')}. Expected, after --, what 'tessera run', ` +
        "'tessera train' or 'tessera reproduce' takes",
    );
  }
  if (!found.request) throw new BadInput(`${words.join(' ')}: expected run, train or reproduce after --`);
  return found.request;
}

/** @throws BadInput for what only a command that waits can do */
function refuseOutcome({ minMiou, json, quiet, wait }: OutcomeOptions): void {
  const given = {
    '--min-miou': minMiou,
    '--json': json,
    '--quiet': quiet,
    '--no-wait': wait ? undefined : true,
  };
  for (const [option, value] of Object.entries(given))
    if (value !== undefined)
      throw new BadInput(
        `${option}: nobody waits for a scheduled run. Leave it out; run.notify in the config reports how the run ended`,
      );
}
