import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { WorkflowBundle } from '@temporalio/worker';
import { CODE, PACKAGE, stateFolder } from './environment.ts';

/** An image and the npm package ship their own. */
const SHIPPED = path.join(CODE, 'workflow-bundle.js');

/** The workflows' bundle: made once for each state of the code, since making it takes seconds. */
export async function workflowBundle(): Promise<WorkflowBundle> {
  const shipped = await readFile(SHIPPED, 'utf8').catch(() => null);
  if (shipped) return { code: shipped };
  const folder = path.join(stateFolder(), 'bundles');
  const file = path.join(folder, `${await sourceDigest()}.js`);
  const cached = await readFile(file, 'utf8').catch(() => null);
  if (cached) return { code: cached };
  const code = await makeBundle();
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, code);
  await rename(`${file}.${process.pid}`, file);
  return { code };
}

/** Bundles the workflows, for an image or a package: beside the compiled code. Called by infra/package/make-dist.mjs. @public */
export async function shipBundle(): Promise<void> {
  await writeFile(SHIPPED, await makeBundle());
}

async function makeBundle(): Promise<string> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const compiled = path.join(CODE, 'workflows', 'all.js');
  const { code } = await bundleWorkflowCode({
    workflowsPath: existsSync(compiled) ? compiled : path.join(CODE, 'workflows', 'all.ts'),
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  });
  return code;
}

/** Of all that a bundle may hold: workflows, core, and the packages' versions. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256').update(await readFile(path.join(PACKAGE, 'package-lock.json')));
  for (const room of ['workflows', 'core']) {
    const files = (await readdir(path.join(CODE, room), { recursive: true })).filter((f) =>
      /\.[jt]s$/.test(f),
    );
    for (const file of files.sort()) hash.update(file).update(await readFile(path.join(CODE, room, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
