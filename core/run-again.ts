import type { EvalInput } from './config/eval.ts';
import type { TrainInput } from './config/train-run.ts';

export interface Again {
  /** The workflow, and the command of `tessera` that starts it. */
  type: 'EvalMIoU' | 'Train';
  command: 'run' | 'train';
  workflowId: string;
  input: EvalInput | TrainInput;
  /** What of the input the command has options for, beside those that all have: by their names. */
  options: Record<string, string | undefined>;
}

/** The two ways to run the same again, each a line for a POSIX shell. */
export function runAgain({ type, command, workflowId, input, options }: Again): string[] {
  const { config, weights, dataset, output, overrides = [] } = input;
  const labels = Object.entries(input.labels ?? {});
  const given = Object.entries({ weights, ...options, dataset, output });
  return [
    [
      ...['temporal', 'workflow', 'start', '--type', type, '--task-queue', 'tessera'],
      ...['--workflow-id', workflowId, '--input', JSON.stringify(input)],
    ],
    [
      ...['npx', 'tessera', command, typeof config === 'string' ? config : 'CONFIG.yaml'],
      ...given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
      ...(overrides.length > 0 ? ['--cfg-options', ...overrides] : []),
      ...labels.flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    ],
  ].map((words) => words.map(shellWord).join(' '));
}

/** A word as a shell takes it to be one, and changes nothing in it. */
function shellWord(word: string): string {
  // An equals sign in front is a command's path to zsh.
  return /^[\w@+:,./-][\w@+:,./=-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
