import { defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import { PROGRESS, type ProgressOf, type Signals } from '../core/config/run-messages.ts';

/** Calls `handle` for each signal of a name that this run is sent. */
export function onSignal<Name extends keyof Signals>(
  name: Name,
  handle: (content: Signals[Name]) => void,
): void {
  setHandler(defineSignal<[Signals[Name]]>(name), handle);
}

/** Answers the query `progress` of a workflow of this type. */
export function answerProgress<Type extends keyof ProgressOf>(
  _type: Type,
  answer: () => ProgressOf[Type],
): void {
  setHandler(defineQuery<ProgressOf[Type]>(PROGRESS), answer);
}
