import path from 'node:path';
import { type Transferable, Worker } from 'node:worker_threads';
import './onnx/no-telemetry.ts'; // A thread that loads ONNX Runtime could no longer switch it off.
import {
  type Exchange,
  errorOf,
  type FromThread,
  type Moved,
  type ToThread,
  threadFailure,
  type Waiting,
} from './thread-messages.ts';

export interface ThreadOptions<E extends Exchange> {
  /** For messages: `the NAME thread ended`. */
  name: string;
  /** Of the thread's program, without extension: `new URL('./trainer-thread', import.meta.url)`. It calls `serveThread`. */
  program: URL;
  data: E['data'];
  /** Ports in `data` that are moved to the thread. */
  transfer?: Transferable[];
  onNews?(news: E['news']): void;
  /** Answers what the thread asks for; a failure is the thread's to handle. */
  supply?(need: E['need']): Promise<Moved<E['supply']>>;
  /** Called once: by what the thread has failed, or that it has ended. */
  onFailure?(failure: Error): void;
}

/** A thread as its opener sees it. By its first failure, or its end, all that is asked and will be asked fails. */
export class Thread<E extends Exchange> implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #asked: Waiting<E['answer']>[] = [];
  readonly #onFailure: (failure: Error) => void;
  #failure: Error | null = null;
  /** What the thread says once it is open; rejects if it can't be opened. */
  readonly ready: Promise<E['ready']>;

  constructor({ name, program, data, transfer = [], onNews, supply, onFailure }: ThreadOptions<E>) {
    // Compiled code starts compiled code.
    const extension = path.extname(import.meta.url);
    this.#worker = new Worker(new URL('./thread-loader.mjs', import.meta.url), {
      workerData: { program: `${program}${extension}`, data },
      transferList: transfer,
    });
    this.#onFailure = (failure) => onFailure?.(failure);
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      const end = (error: Error) => {
        this.#fail(error);
        reject(error);
      };
      this.#worker.on('message', (message: FromThread<E>) => {
        if (message.kind === 'ready') resolve(message.value);
        else if (message.kind === 'answer') this.#asked.shift()?.resolve(message.value);
        else if (message.kind === 'news') onNews?.(message.value);
        else if (message.kind === 'need') void this.#supply(supply!(message.value));
        else end(errorOf(message.failure));
      });
      this.#worker.on('error', end);
      this.#worker.on('exit', (code) => end(new Error(`the ${name} thread ended (exit code ${code})`)));
    });
    // Who doesn't wait for it hears of it by what is asked.
    this.ready.catch(() => {});
  }

  /** Asks the thread, which answers in order. @throws what the thread has failed by */
  ask(value: E['ask'], transfer: ArrayBuffer[] = []): Promise<E['answer']> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#send({ kind: 'ask', value }, transfer);
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
  }

  send(value: E['message'], transfer: ArrayBuffer[] = []): void {
    this.#send({ kind: 'message', value }, transfer);
  }

  /** Ends the thread after what it was asked: ONNX Runtime's binding aborts the process if killed in the middle of a call. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#send({ kind: 'close' });
    await this.#exited;
  }

  /** Ends a thread that is in no call of a library, at once. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  async #supply(supplied: Promise<Moved<E['supply']>>): Promise<void> {
    try {
      const { value, transfer } = await supplied;
      this.#send({ kind: 'supply', value }, transfer);
    } catch (error) {
      this.#send({ kind: 'refused', failure: threadFailure(error) });
    }
  }

  #send(message: ToThread<E>, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #fail(failure: Error): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const { reject } of this.#asked.splice(0)) reject(failure);
    this.#onFailure(failure);
  }
}
