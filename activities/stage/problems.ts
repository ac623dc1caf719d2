import { BadData, type FailureClass, TypedFailure } from '../../core/config/failures.ts';

/** Of a list of problems so many are shown. */
const SHOWN = 20;

/** What is wrong with a dataset's files: collected, so that a user learns of all of it at once. */
export interface Problems {
  readonly any: boolean;
  /** The work's result; null if it fails by the files' fault, which is noted. */
  noting<T>(work: () => Promise<T>): Promise<T | null>;
  /** @throws one failure that names all of them, in the order of their names */
  throwIfAny(): void;
}

const OF_FILES: FailureClass[] = ['BadInput', 'BadData'];

/** @param total how many images there are, for the message */
export function createProblems(total: number): Problems {
  const failures: TypedFailure[] = [];
  return {
    get any() {
      return failures.length > 0;
    },
    async noting(work) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TypedFailure && OF_FILES.includes(error.failureClass))) throw error;
        failures.push(error);
        return null;
      }
    },
    throwIfAny() {
      const [first] = failures;
      if (!first) return;
      if (failures.length === 1) throw first;
      const messages = failures.map(({ message }) => message).sort();
      const more = messages.length > SHOWN ? [`… and ${messages.length - SHOWN} more`] : [];
      throw new BadData(
        [
          `${failures.length} of ${total} images cannot be staged:`,
          ...messages.slice(0, SHOWN),
          ...more,
        ].join('\n  '),
      );
    },
  };
}
