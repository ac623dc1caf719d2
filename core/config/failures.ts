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

/**
 * How a run reacts to each class. `maxAttempts` limits how often one shard may fail in this way: a service that is away
 * eight times in a row won't be back soon, but a lost worker says nothing of the shard. Halving has no such limit: it
 * ends at one crop by itself.
 */
export const REACTIONS: Record<
  FailureClass,
  { retry: 'never' | 'halve-batch' | 'backoff'; maxAttempts: number; means: string }
> = {
  BadInput: { retry: 'never', maxAttempts: 1, means: 'the request names something wrong' },
  BadData: { retry: 'never', maxAttempts: 1, means: 'a file or object is not what it should be' },
  OutOfMemory: {
    retry: 'halve-batch',
    maxAttempts: Number.POSITIVE_INFINITY,
    means: 'the batch did not fit',
  },
  Unavailable: { retry: 'backoff', maxAttempts: 8, means: 'a service did not answer for now' },
  WorkerLost: {
    retry: 'backoff',
    maxAttempts: 100,
    means: 'the worker vanished in mid-shard, or its GPU failed',
  },
  FleetLost: { retry: 'never', maxAttempts: 1, means: 'workers die faster than bad luck explains' },
  BudgetSpent: { retry: 'never', maxAttempts: 1, means: 'the run has spent its run.budget' },
  Unexpected: { retry: 'backoff', maxAttempts: 2, means: 'an unforeseen error: most likely a bug' },
};

/** Whether a shard is to be tried again that has failed in these ways, the last of them just now. */
export function isTriedAgain(failures: { class: FailureClass }[]): boolean {
  const { class: last } = failures.at(-1)!;
  return failures.filter((failure) => failure.class === last).length < REACTIONS[last].maxAttempts;
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
