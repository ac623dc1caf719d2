import { expect, test } from 'vitest';
import { exitCause, type WorkerExit } from '../../../core/config/worker-exit.ts';

test.each<[WorkerExit, string, string]>([
  [{ code: 0 }, 'finished', 'exit code 0'],
  [{ code: 1 }, 'crashed', 'exit code 1'],
  [{ code: 134, words: 'assertion' }, 'crashed', 'exit code 134: assertion'],
  [{ code: 64, words: 'no S3' }, 'misconfigured', 'exit code 64: no S3'],
  [{ code: 143 }, 'stopped', 'SIGTERM (exit code 143)'],
  [{ code: null, signal: 'SIGTERM' }, 'stopped', 'SIGTERM'],
  [{ code: 137 }, 'crashed', 'killed by SIGKILL (exit code 137)'],
  [{ code: null, signal: 'SIGKILL' }, 'crashed', 'killed by SIGKILL'],
  [{ code: null, signal: 'SIGSEGV' }, 'crashed', 'killed by SIGSEGV'],
])('a worker that ended with %j is %s', (exit, kind, message) => {
  expect(exitCause(exit)).toEqual({ kind, message });
});
