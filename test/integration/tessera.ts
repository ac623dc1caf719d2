import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { runToEnd } from '../../cli/run-workflow.ts';
import { connectSession, type Session } from '../../cli/session.ts';
import { SILENT } from '../../cli/terminal.ts';
import type { Progress } from '../../core/config/eval.ts';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import { queryProgress } from '../../core/config/run-messages.ts';
import { makeData, ROOT, type Runs, runsOf } from './runs.ts';

export { ROOT };

/** The real thing in a folder of its own: Temporal, S3, a control worker; a model and images staged. */
export interface Tessera extends Runs, AsyncDisposable {
  session: Session;
  state: string;
  /** Pids of this instance's processes that run a program, such as `workers/gpu`; or of one worker's. */
  pids(program: string, worker?: string): number[];
}

export async function startTessera({ images }: { images: number }): Promise<Tessera> {
  const state = await mkdtemp(path.join(os.tmpdir(), 'tessera-test-'));
  process.env.TESSERA_STATE = state;
  delete process.env.TEMPORAL_ADDRESS;
  const session = await connectSession(SILENT);
  const inputs = await stageData(session, state, images);
  return {
    ...runsOf(session.client, session.store, inputs),
    session,
    state,
    pids: (program, worker) => processesOf(state, program, worker),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await rm(state, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function stageData(session: Session, state: string, images: number) {
  const { inputs, weights, dataset } = await makeData(state, images);
  await runToEnd(session, 'StageWeights', 'weights', weights.backbone);
  await runToEnd(session, 'StageWeights', 'head', weights.head);
  await runToEnd(session, 'StageDataset', 'dataset', dataset);
  return inputs;
}

/** Waits until a running workflow's progress looks as wanted. */
export async function until(
  handle: WorkflowHandle,
  isReached: (progress: Progress) => boolean,
): Promise<Progress> {
  for (let i = 0; i < 600; i++) {
    const progress = await queryProgress(handle, 'EvalMIoU').catch(() => null);
    if (progress && isReached(progress)) return progress;
    await sleep(50);
  }
  throw new Error('the progress that was waited for did not come within 30 s');
}

/** Copies the staged dataset, with one image's files replaced as a user's bad data would have come in. */
export async function damagedDataset(
  tessera: Tessera,
  name: string,
  damage: { image?: (bytes: Buffer) => Buffer; annotation?: (bytes: Buffer) => Promise<Buffer> | Buffer },
): Promise<{ dataset: string; id: string }> {
  const { store } = tessera.session;
  const from = `${ROOT}/datasets/mini`;
  const dataset = `${ROOT}/datasets/${name}`;
  const manifest: DatasetManifest = JSON.parse(
    (await store.read(`${from}/validation.manifest.json`)).toString(),
  );
  const victim = manifest.images[3]!;
  for (const entry of manifest.images) {
    for (const kind of ['image', 'annotation'] as const) {
      const file = entry[kind]!;
      const bytes = await store.read(`${from}/${file.key}`);
      const change = entry === victim ? damage[kind] : undefined;
      const written = change ? await change(bytes) : bytes;
      file.sizeBytes = written.length;
      file.sha256 = createHash('sha256').update(written).digest('hex');
      await store.write(`${dataset}/${file.key}`, written);
    }
  }
  await store.write(`${dataset}/validation.manifest.json`, Buffer.from(JSON.stringify(manifest)));
  return { dataset, id: victim.id };
}

function processesOf(state: string, program: string, worker = ''): number[] {
  const name = worker ? `TESSERA_WORKER=${worker}` : '';
  if (existsSync('/proc/self/environ')) {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .filter((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
          const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
          // Compiled, or behind `--import tsx`; behind its tie it stands later.
          const runsIt = command[1]?.endsWith(`${program}.js`) || command[3]?.endsWith(`${program}.ts`);
          return runsIt && [`TESSERA_STATE=${state}`, name].every((part) => environment.includes(part));
        } catch {
          return false;
        }
      })
      .map(Number);
  }
  const lines = execFileSync('ps', ['-Aww', '-E', '-o', 'pid=,command=']).toString().split('\n');
  return lines
    .filter((line) => [program, state, name].every((part) => line.includes(part)))
    .map((line) => Number.parseInt(line, 10));
}
