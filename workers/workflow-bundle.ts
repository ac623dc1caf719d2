import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { REPOSITORY, stateFolder } from './environment.ts';

/**
 * The workflows' bundle: made once for each state of the code, since making it takes seconds.
 * An image ships its own (TESSERA_WORKFLOW_BUNDLE).
 */
export async function workflowBundle(): Promise<WorkflowBundle> {
  const shipped = process.env.TESSERA_WORKFLOW_BUNDLE;
  if (shipped) return { code: await readFile(shipped, 'utf8') };
  const folder = path.join(stateFolder(), 'bundles');
  const file = path.join(folder, `${await sourceDigest()}.js`);
  const cached = await readFile(file, 'utf8').catch(() => null);
  if (cached) return { code: cached };
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(REPOSITORY, 'workflows', 'all.ts'),
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  });
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, code);
  await rename(`${file}.${process.pid}`, file);
  return { code };
}

/** Of all that a bundle may hold: workflows, core, and the packages' versions. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256').update(await readFile(path.join(REPOSITORY, 'package-lock.json')));
  for (const room of ['workflows', 'core']) {
    const files = (await readdir(path.join(REPOSITORY, room), { recursive: true })).filter((f) =>
      f.endsWith('.ts'),
    );
    for (const file of files.sort())
      hash.update(file).update(await readFile(path.join(REPOSITORY, room, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
