/* Runs a model over ONNX Runtime's C API in this thread, in three others at once, and here again. */
import { Thread } from '../../../activities/thread.ts';
import { squareOverCApi } from './square-over-c-api.ts';
import type { SquareExchange } from './square-thread.ts';

console.log(await squareOverCApi());
const open = () =>
  new Thread<SquareExchange>({
    name: 'square',
    program: new URL('./square-thread', import.meta.url),
    data: {},
  });
const threads = [open(), open(), open()];
for (const thread of threads) console.log(await thread.ready);
for (const thread of threads) await thread[Symbol.asyncDispose]();
console.log(await squareOverCApi());
