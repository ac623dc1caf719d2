import { BadInput } from '../../core/config/failures.ts';
import { joinUri } from '../../core/store.ts';

/** What an id may not hold: it would name another run's folder, or none that every store can have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNUSABLE = /[/\\\u0000-\u001f]|^\.{1,2}$/;

/**
 * Where everything of a run goes: `<output>/<workflow id>`, and below that the run's own id if it computes again.
 *
 * @throws BadInput for a workflow id that would leave its folder
 */
export function runPrefix(
  { output, recompute }: { output: string; recompute: boolean },
  { workflowId, runId }: { workflowId: string; runId: string },
): string {
  if (UNUSABLE.test(workflowId))
    throw new BadInput(
      `workflow id ${JSON.stringify(workflowId)}: names the folder of the results below ${output}, so it may not ` +
        "be '.' or '..', nor hold '/', '\\' or control characters. Choose another one",
    );
  return joinUri(output, workflowId, ...(recompute ? [runId] : []));
}
