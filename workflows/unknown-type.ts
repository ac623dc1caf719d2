import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { didYouMean } from '../core/config/did-you-mean.ts';

/**
 * Stands for every workflow type that isn't one of `types`. Without it the run would wait for a worker that knows its
 * type, without a word.
 *
 * @returns a workflow that fails at once with the nearest type
 */
export function unknownType(types: string[]) {
  return async (..._: unknown[]): Promise<never> => {
    const { workflowType } = workflowInfo();
    throw ApplicationFailure.create({
      message:
        `there is no workflow type ${workflowType}${didYouMean(workflowType, types)} ` +
        `The types are ${types.join(', ')}`,
      type: 'BadInput',
      nonRetryable: true,
    });
  };
}
