import { sessionFailure } from '../session-failure.ts';
import { environment } from './environment.ts';
import { call, get } from './ort-api.ts';

/** Entry of a session whose memory on the device comes from the shared arena. */
export const SHARES_ARENA = { 'session.use_env_allocators': '1' };

const CHOSEN_BY_ONNX_RUNTIME = -1;
const UNLIMITED = 0;
/** Grows by what is asked for. Blocks that double would take 4 GB more of the 6B's training. */
const SAME_AS_REQUESTED = 1;

/**
 * One arena on the GPU for all sessions that are opened with `SHARES_ARENA`: what a run has given back, a run of another
 * session takes. Without it each session has an arena, which keeps what its largest run took. Runs of these sessions
 * follow each other; runs at the same time would take memory of their own.
 *
 * It is disposed of behind the sessions and their tensors, and gives the memory back to the device. A process has one: a
 * second takes the place of the first for sessions that are opened from then on.
 */
export class SharedArena implements Disposable {
  constructor() {
    const { pointer, memory } = environment();
    const arena = get(
      'CreateArenaCfg',
      UNLIMITED,
      SAME_AS_REQUESTED,
      CHOSEN_BY_ONNX_RUNTIME,
      CHOSEN_BY_ONNX_RUNTIME,
    );
    try {
      call('CreateAndRegisterAllocatorV2', pointer, 'CUDAExecutionProvider', memory.cuda, arena, [], [], 0);
    } catch (error) {
      throw sessionFailure(error, 'cuda', 'opening');
    } finally {
      call('ReleaseArenaCfg', arena);
    }
  }

  [Symbol.dispose](): void {
    const { pointer, memory } = environment();
    try {
      call('UnregisterAllocator', pointer, memory.cuda);
    } catch (error) {
      // Another has taken its place, and is gone.
      if (!/No allocator for this device/.test(String(error))) throw error;
    }
  }
}
