import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { localLauncher } from '../../../activities/launch/local.ts';
import { spawnTied, type TiedProcess } from '../../../infra/local/processes.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { LAST_WORDS, launcherSuite } from './launcher-suite.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Stands for the worker: waits for a file that says how it is to end. */
const PROGRAM = `
  const { existsSync, readFileSync } = require('node:fs');
  setInterval(() => {
    if (!existsSync(process.env.END_FILE)) return;
    console.log('${LAST_WORDS}');
    const how = JSON.parse(readFileSync(process.env.END_FILE, 'utf8'));
    if (how.signal) process.kill(process.pid, how.signal);
    else process.exit(how.code);
  }, 20);`;

launcherSuite(async () => {
  const folder = temporaryFolder();
  const processes = new Map<string, TiedProcess>();
  const endFile = (worker: string) => join(folder, `${worker}.end`);
  const launcher = localLauncher({
    logFolder: folder,
    start({ env, log }) {
      const name = env.TESSERA_WORKER!;
      const process_ = spawnTied(process.execPath, ['-e', PROGRAM], {
        env: { ...env, END_FILE: endFile(name) },
        output: { file: log },
      });
      processes.set(name, process_);
      process_.exited.then(() => processes.delete(name));
      return process_;
    },
  });
  return {
    launcher,
    async end(worker, how) {
      writeFileSync(endFile(worker), JSON.stringify(how));
    },
    running: async () => [...processes.keys()].sort(),
  };
});
