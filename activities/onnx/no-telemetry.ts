import { isMainThread } from 'node:worker_threads';

/**
 * ONNX Runtime on Linux collects usage data for its maker unless this variable is in the process's environment before
 * the library loads. A thread's `process.env` is a copy that the library never sees, so there it can only be checked.
 */
const SWITCH = 'ORT_DISABLE_TELEMETRY';

if (isMainThread) process.env[SWITCH] = '1';
else if (process.env[SWITCH] !== '1')
  throw new Error(`${SWITCH} is not 1: start this thread by activities/thread.ts, or set it for the process`);
