import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { makeWeights } from '../../cli/demo/make-demo.ts';
import { writeMiniAde } from '../../cli/demo/mini-ade.ts';
import { runToEnd } from '../../cli/run-workflow.ts';
import { openSession, type Session } from '../../cli/session.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { EvalInput, EvalResult, Progress } from '../../core/config/eval.ts';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import { type Results, ResultsSchema } from '../../core/config/results.ts';

const QUIET: Terminal = { step() {}, done() {}, print() {} };
export const ROOT = 's3://tessera';

/** The real thing in a folder of its own: Temporal, S3, a control worker; a model and images staged. */
export interface Tessera extends AsyncDisposable {
  session: Session;
  state: string;
  /** A request that works; tests change what they are about. */
  input(changes?: Partial<EvalInput>): EvalInput;
  start(workflowId: string, input: EvalInput): Promise<WorkflowHandle>;
  run(workflowId: string, input: EvalInput): Promise<EvalResult>;
  results(workflowId: string): Promise<Results>;
  /** Pids of this instance's processes that run a program, such as `workers/gpu.ts`. */
  pids(program: string): number[];
}

export async function startTessera({ images }: { images: number }): Promise<Tessera> {
  const state = await mkdtemp(path.join(os.tmpdir(), 'tessera-test-'));
  process.env.TESSERA_STATE = state;
  delete process.env.TEMPORAL_ADDRESS;
  const session = await openSession(QUIET);
  const inputs = await stageData(session, state, images);
  const start = (workflowId: string, input: EvalInput) =>
    session.client.workflow.start('EvalMIoU', { taskQueue: 'tessera', workflowId, args: [input] });
  return {
    session,
    state,
    input: (changes = {}) => ({ config: 'tiny', ...inputs, output: `${ROOT}/runs`, ...changes }),
    start,
    run: async (workflowId, input) => (await start(workflowId, input)).result() as Promise<EvalResult>,
    async results(workflowId) {
      const bytes = await session.store.read(`${ROOT}/runs/${workflowId}/results.json`);
      return ResultsSchema.parse(JSON.parse(bytes.toString()));
    },
    pids: (program) => processesOf(state, program),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await rm(state, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The demo's model, fitted to a few images, so that its numbers mean something. */
async function stageData(session: Session, state: string, images: number) {
  const ade = path.join(state, 'ade');
  await writeMiniAde(ade, { training: 16, validation: images, seed: 11 });
  const files = { ade, backbone: path.join(state, 'backbone.pth'), head: path.join(state, 'head.pth') };
  await makeWeights(state, files);
  const inputs = {
    weights: `${ROOT}/weights/backbone.pth`,
    head: `${ROOT}/weights/head.pth`,
    dataset: `${ROOT}/datasets/mini`,
  };
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = (await loadConfig('tiny')).dataset;
  const layout = { name: 'mini', imageDir, annotationDir, imageSuffix, annotationSuffix };
  await runToEnd(session, 'StageWeights', 'weights', { source: files.backbone, destination: inputs.weights });
  await runToEnd(session, 'StageWeights', 'head', { source: files.head, destination: inputs.head });
  await runToEnd(session, 'StageDataset', 'dataset', { source: ade, destination: inputs.dataset, ...layout });
  return inputs;
}

/** Waits until a running workflow's progress looks as wanted. */
export async function until(
  handle: WorkflowHandle,
  isReached: (progress: Progress) => boolean,
): Promise<Progress> {
  for (let i = 0; i < 600; i++) {
    const progress = await handle.query<Progress>('progress').catch(() => null);
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
      const file = entry[kind];
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

function processesOf(state: string, program: string): number[] {
  if (existsSync('/proc/self/environ')) {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .filter((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
          const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
          const runsIt = command[1] === '--import' && command.some((part) => part.endsWith(program));
          return runsIt && environment.includes(`TESSERA_STATE=${state}`);
        } catch {
          return false;
        }
      })
      .map(Number);
  }
  const lines = execFileSync('ps', ['-Aww', '-E', '-o', 'pid=,command=']).toString().split('\n');
  return lines
    .filter((line) => line.includes(program) && line.includes(state))
    .map((line) => Number.parseInt(line, 10));
}
