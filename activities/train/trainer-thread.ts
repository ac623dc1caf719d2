import { serveThread, threadData } from '../serve-thread.ts';
import type { Moved } from '../thread-messages.ts';
import { type Chain, openChain } from './chain/chain.ts';
import type { TrainerAnswer, TrainerExchange, TrainerRequest } from './trainer-protocol.ts';

/* The training's thread: ONNX Runtime blocks the thread it is called on. */
serveThread<TrainerExchange>(async () => {
  const chain = await openChain(threadData<TrainerExchange>());
  return {
    ready: undefined,
    ask: async (request) => answer(chain, request),
    async close() {
      chain[Symbol.dispose]();
    },
  };
});

function answer(chain: Chain, request: TrainerRequest): Moved<TrainerAnswer> {
  if (request.kind === 'step') return { value: { kind: 'stepped', stepped: chain.step(request.step) } };
  if (request.kind === 'put') {
    chain.state.put(request.tensor);
    return { value: { kind: 'put' } };
  }
  const data = chain.state.part(request.name, request.part);
  return { value: { kind: 'read', data }, transfer: [data.buffer] };
}
