import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  type Exchange,
  errorOf,
  type FromThread,
  type Moved,
  type ToThread,
  threadFailure,
  type Waiting,
} from './thread-messages.ts';

/** The opener, as a thread sees it. */
export interface Opener<E extends Exchange> {
  report(news: E['news'], transfer?: ArrayBuffer[]): void;
  /** Asks the opener, which answers in order. */
  need(need: E['need']): Promise<E['supply']>;
  /** By this all that was asked and will be asked of the thread fails. */
  fail(error: unknown): void;
}

/** What a thread does. Requests and messages are handled strictly one after the other. */
export interface ThreadWork<E extends Exchange> {
  ready: E['ready'];
  ask?(ask: E['ask']): Promise<Moved<E['answer']>>;
  receive?(message: E['message']): Promise<void>;
  /** Called at once when the thread is to end: makes what is waiting short. */
  closing?(): void;
  /** Called after the last request or message; then the thread ends. */
  close?(): Promise<void>;
}

/** What this thread was started with. */
export function threadData<E extends Exchange>(): E['data'] {
  return (workerData as { data: E['data'] }).data;
}

/** The program of a worker thread that a `Thread` opens. A failure of anything in it fails the thread as a whole. */
export function serveThread<E extends Exchange>(
  open: (data: E['data'], opener: Opener<E>) => Promise<ThreadWork<E>>,
): void {
  const port = parentPort as MessagePort;
  const needed: Waiting<E['supply']>[] = [];
  const send = (message: FromThread<E>, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const fail = (error: unknown) => send({ kind: 'failed', failure: threadFailure(error) });

  async function handle(work: ThreadWork<E>, message: ToThread<E>): Promise<void> {
    if (message.kind === 'message') await work.receive!(message.value);
    else if (message.kind === 'ask') {
      const { value, transfer } = await work.ask!(message.value);
      send({ kind: 'answer', value }, transfer);
    }
  }

  async function main(): Promise<void> {
    const work = await open(threadData<E>(), {
      report: (value, transfer) => send({ kind: 'news', value }, transfer),
      need(value) {
        send({ kind: 'need', value });
        return new Promise((resolve, reject) => needed.push({ resolve, reject }));
      },
      fail,
    });
    let queue: Promise<void> = Promise.resolve();
    port.on('message', (message: ToThread<E>) => {
      if (message.kind === 'supply') needed.shift()?.resolve(message.value);
      else if (message.kind === 'refused') needed.shift()?.reject(errorOf(message.failure));
      else if (message.kind === 'close') {
        work.closing?.();
        queue = queue.then(() => work.close?.());
        // Without its port nothing keeps the thread alive.
        queue.catch(fail).finally(() => port.close());
      } else queue = queue.then(() => handle(work, message)).catch(fail);
    });
    send({ kind: 'ready', value: work.ready });
  }

  main().catch(fail);
}
