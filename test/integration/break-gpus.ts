import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeFolder, ROOT } from '../infra/observe.ts';

/** Workers started from here on whose sessions can be made to fail as after a fault of their GPU. */
export interface BreakableGpus {
  /** The next run of a session, in whichever worker, fails; and so does every later one in that process. */
  breakOne(): void;
  mend(): void;
}

export function breakGpus(): BreakableGpus {
  const folder = makeFolder();
  const { NODE_OPTIONS, TESSERA_TEST_FAULT } = process.env;
  const program = pathToFileURL(path.join(ROOT, 'test/infra/programs/lose-gpu.mjs'));
  process.env.NODE_OPTIONS = `${NODE_OPTIONS ?? ''} --import ${program}`;
  process.env.TESSERA_TEST_FAULT = folder;
  return {
    breakOne: () => writeFileSync(path.join(folder, 'fault'), ''),
    mend() {
      restore('NODE_OPTIONS', NODE_OPTIONS);
      restore('TESSERA_TEST_FAULT', TESSERA_TEST_FAULT);
      rmSync(folder, { recursive: true });
    },
  };
}

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
