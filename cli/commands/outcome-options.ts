import { type Command, InvalidArgumentError, Option } from 'commander';

/** Adds what a user wants to have of a run: for scripts and CI jobs. */
export function withOutcomeOptions(command: Command): Command {
  return withDocumentOptions(
    command.option('--min-miou <percent>', 'exit with code 10 if mIoU is lower', percentOf),
  );
}

/** The same without the gate, for what has more than one mIoU. */
export function withDocumentOptions(command: Command): Command {
  return command
    .option('--json', 'print the result document')
    .option('--quiet', 'no progress')
    .addOption(new Option('--no-wait', 'start the run, print its id, and return').conflicts('minMiou'));
}

function percentOf(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError('expected per cent, 0 to 100, such as 45');
  return value;
}
