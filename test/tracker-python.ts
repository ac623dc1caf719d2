import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withLock } from '../infra/local/lock.mjs';
import { cacheFolder } from '../infra/local/servers.mjs';

const run = promisify(execFile);

/** Folder of the programs of a tool's Python environment, which is made once; else why there is none. */
export async function trackerPrograms(
  tool: 'tensorboard' | 'mlflow',
): Promise<{ bin: string; reason: null } | { bin: null; reason: string }> {
  const scripts = fileURLToPath(new URL('../infra/trackers/', import.meta.url));
  const requirements = readFileSync(path.join(scripts, `${tool}.txt`));
  const version = createHash('sha256').update(requirements).digest('hex').slice(0, 12);
  const folder = path.join(cacheFolder(), 'tessera', `${tool}-${version}`);
  const ready = () => existsSync(path.join(folder, 'ready'));
  try {
    await withLock(`${folder}.lock`, async () => {
      if (!ready()) await run(path.join(scripts, 'setup.sh'), [tool, folder]);
    });
    return { bin: path.join(folder, 'bin'), reason: null };
  } catch (error) {
    const said = error instanceof Error ? error.message.trim().split('\n').at(-1) : error;
    return { bin: null, reason: `infra/trackers/setup.sh ${tool} made no environment: ${said}` };
  }
}
