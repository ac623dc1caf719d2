/** What went wrong, by the reaction that it asks for. One class a reaction, not one a cause. */
export const FAILURE_CLASSES = [
  'BadInput',
  'BadData',
  'OutOfMemory',
  'Unavailable',
  'WorkerLost',
  'FleetLost',
  'BudgetSpent',
  'Unexpected',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** How what has failed is tried again. */
export interface Retry {
  /** Crops of a batch. */
  batch: number;
  /** After a pause, which grows from one failure to the next. */
  isPaused: boolean;
}

/** What a run does about a failure. */
interface Reaction {
  /** "A shard is …" */
  does: string;
  /**
   * @param batch crops of a batch that failed
   * @param failures how often it has failed in this way, this time included
   * @returns null if trying again would not mend it
   */
  retry(batch: number, failures: number): Retry | null;
}

const NOTHING: Reaction = { does: 'not tried again', retry: () => null };

/** Without a limit of its own: it ends at one crop. */
const HALVE_BATCH: Reaction = {
  does: 'tried again with half the batch',
  retry: (batch) => (batch > 1 ? { batch: Math.floor(batch / 2), isPaused: false } : null),
};

function wait(maxAttempts: number): Reaction {
  return {
    does: `tried again with growing pauses, ${maxAttempts} times in all`,
    retry: (batch, failures) => (failures < maxAttempts ? { batch, isPaused: true } : null),
  };
}

/**
 * How a run reacts to each class. A service that is away eight times in a row won't be back soon, but a lost worker says
 * nothing of the shard.
 */
export const REACTIONS: Record<FailureClass, { means: string; reaction: Reaction }> = {
  BadInput: { means: 'the request names something wrong', reaction: NOTHING },
  BadData: { means: 'a file or object is not what it should be', reaction: NOTHING },
  OutOfMemory: { means: 'the batch did not fit', reaction: HALVE_BATCH },
  Unavailable: { means: 'a service did not answer for now', reaction: wait(8) },
  WorkerLost: { means: 'the worker vanished in mid-shard, or its GPU failed', reaction: wait(100) },
  FleetLost: { means: 'workers die faster than bad luck explains', reaction: NOTHING },
  BudgetSpent: { means: 'the run has spent its run.budget', reaction: NOTHING },
  Unexpected: { means: 'an unforeseen error: most likely a bug', reaction: wait(2) },
};

/**
 * How to try again what has failed in these ways, the last of them just now.
 *
 * @param batch crops of a batch that failed; 1 where it can't be made smaller
 * @returns null if its last failure ends it
 */
export function nextTry(failures: { class: FailureClass }[], batch = 1): Retry | null {
  const { class: last } = failures.at(-1)!;
  const count = failures.filter((failure) => failure.class === last).length;
  return REACTIONS[last].reaction.retry(batch, count);
}

/** Whether a failure may pass by itself: the same may succeed later. */
export function mayPass(failureClass: FailureClass): boolean {
  return nextTry([{ class: failureClass }]) !== null;
}

/** A failure whose message is meant for the user: it says where, what is, and what should be. */
export class TypedFailure extends Error {
  readonly failureClass: FailureClass;

  constructor(failureClass: FailureClass, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = failureClass;
    this.failureClass = failureClass;
  }
}

/**
 * An unforeseen error as a failure of its own class. A typed failure is returned as it is.
 *
 * @param where what was being worked on: an image, an activity
 */
export function asTyped(error: unknown, where: string): TypedFailure {
  if (error instanceof TypedFailure) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new TypedFailure('Unexpected', `${where}: unexpected error: ${text}`, { cause: error });
}

/** The request (config, input, names) is wrong. Never retried. */
export class BadInput extends TypedFailure {
  constructor(message: string, options?: ErrorOptions) {
    super('BadInput', message, options);
  }
}

/** A bucket, object or file that isn't there: a `BadInput` that some callers expect. */
export class NotFound extends BadInput {
  readonly what: 'bucket' | 'object';

  constructor(what: 'bucket' | 'object', where: string, options?: ErrorOptions) {
    super(`${where}: ${what === 'bucket' ? 'the bucket does not exist' : 'does not exist'}`, options);
    this.what = what;
  }
}

/** An image, annotation, checkpoint or manifest is damaged or contradictory. Never retried. */
export class BadData extends TypedFailure {
  constructor(message: string, options?: ErrorOptions) {
    super('BadData', message, options);
  }
}

/** The device or the host had too little memory for the batch. */
export class OutOfMemory extends TypedFailure {
  constructor(message: string, options?: ErrorOptions) {
    super('OutOfMemory', message, options);
  }
}

/** S3, Temporal or the network did not answer. Retried with backoff. */
export class Unavailable extends TypedFailure {
  /** How long the service asked to wait (`Retry-After`). */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options?: ErrorOptions & { retryAfterMs?: number }) {
    super('Unavailable', message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** What a worker computes on is no longer to be trusted, such as a GPU after a fault: it ends, and another takes its place. */
export class WorkerLost extends TypedFailure {
  constructor(message: string, options?: ErrorOptions) {
    super('WorkerLost', message, options);
  }
}
