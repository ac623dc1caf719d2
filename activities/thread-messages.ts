import { type FailureClass, TypedFailure } from '../core/config/failures.ts';

/** What a thread and its opener exchange: what is left out, there is none of. */
export interface Exchange {
  /** What the thread is started with. */
  data: object;
  /** What it says once it is open. */
  ready?: unknown;
  /** Asked by the opener, and answered in order. */
  ask?: unknown;
  answer?: unknown;
  /** Message of the opener. */
  message?: unknown;
  /** Message of the thread. */
  news?: unknown;
  /** Asked by the thread, and answered in order. */
  need?: unknown;
  supply?: unknown;
}

/** A value on its way to the other side, and the buffers that are moved with it, not copied. */
export interface Moved<T> {
  value: T;
  transfer?: ArrayBuffer[];
}

/** How a failure leaves a thread: an error's class would be lost on the way. */
export interface ThreadFailure {
  failureClass: FailureClass | null;
  message: string;
}

export type ToThread<E extends Exchange> =
  | { kind: 'ask'; value: E['ask'] }
  | { kind: 'message'; value: E['message'] }
  | { kind: 'supply'; value: E['supply'] }
  | { kind: 'refused'; failure: ThreadFailure }
  | { kind: 'close' };

export type FromThread<E extends Exchange> =
  | { kind: 'ready'; value: E['ready'] }
  | { kind: 'answer'; value: E['answer'] }
  | { kind: 'news'; value: E['news'] }
  | { kind: 'need'; value: E['need'] }
  | { kind: 'failed'; failure: ThreadFailure };

/** Who waits for an answer. */
export interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export function threadFailure(error: unknown): ThreadFailure {
  return {
    failureClass: error instanceof TypedFailure ? error.failureClass : null,
    message: error instanceof Error ? error.message : String(error),
  };
}

/** The error again, on the other side. */
export function errorOf({ failureClass, message }: ThreadFailure): Error {
  return failureClass ? new TypedFailure(failureClass, message) : new Error(message);
}
