import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { WorkflowBundle } from '@temporalio/worker';
import { CODE, PACKAGE, stateFolder } from './environment.ts';

/** `traced`: with OpenTelemetry in it, which makes spans of a workflow's activities. */
type Kind = 'plain' | 'traced';

/** An image and the npm package ship their own. */
const shippedAs = (kind: Kind) =>
  path.join(CODE, kind === 'plain' ? 'workflow-bundle.js' : 'workflow-bundle-traced.js');

/** The workflows' bundle: made once for each state of the code, since making it takes seconds. */
export async function workflowBundle(kind: Kind = 'plain'): Promise<WorkflowBundle> {
  const shipped = await readFile(shippedAs(kind), 'utf8').catch(() => null);
  if (shipped) return { code: shipped };
  const folder = path.join(stateFolder(), 'bundles', kind);
  const file = path.join(folder, `${await sourceDigest()}.js`);
  const cached = await readFile(file, 'utf8').catch(() => null);
  if (cached) return { code: cached };
  const code = await makeBundle(kind);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, code);
  await rename(`${file}.${process.pid}`, file);
  return { code };
}

/** Bundles the workflows, in both kinds, for an image or a package: beside the compiled code. Called by infra/package/make-dist.mjs. @public */
export async function shipBundle(): Promise<void> {
  for (const kind of ['plain', 'traced'] as const) await writeFile(shippedAs(kind), await makeBundle(kind));
}

/** Of the package that `tracing.ts` takes the other half of. */
const WORKFLOW_INTERCEPTORS = '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors';

async function makeBundle(kind: Kind): Promise<string> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const compiled = path.join(CODE, 'workflows', 'all.js');
  const { code } = await bundleWorkflowCode({
    workflowsPath: existsSync(compiled) ? compiled : path.join(CODE, 'workflows', 'all.ts'),
    workflowInterceptorModules: kind === 'traced' ? [WORKFLOW_INTERCEPTORS] : [],
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
