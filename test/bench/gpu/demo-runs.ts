import path from 'node:path';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { makeDemo } from '../../../cli/demo/make-demo.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { stateFolder } from '../../../workers/environment.ts';
import { difference, differenceText, type EvaluatedSet, evaluateSet } from './evaluate-set.ts';
import { attempt } from './figures.ts';
import type { Bench } from './phase.ts';

const PRECISIONS = ['float32', 'bfloat16', 'float16'] as const;
const OTHER_BATCHES = [1, 2, 8, 16];

/** The demo's mIoU on the device, in each precision, beside the CPU's. */
export async function demoMIoU(bench: Bench): Promise<void> {
  const evaluate = await demoEvaluator(bench);
  const onCpu = await evaluate('run.device=cpu');
  say(bench, 'CPU, float32', onCpu, null);
  if (bench.device === 'cpu') return;
  for (const precision of PRECISIONS)
    await attempt(bench, `CUDA, ${precision}`, async () =>
      say(bench, `CUDA, ${precision}`, await evaluate(`run.precision=${precision}`), onCpu),
    );
}

/** Whether a prediction depends on who shared its batch, or its GPU: bytes beside those of batches of 4 in one worker. */
export async function otherBatches(bench: Bench): Promise<void> {
  const evaluate = await demoEvaluator(bench);
  for (const precision of bench.device === 'cpu'
    ? (['float32'] as const)
    : (['float32', 'bfloat16'] as const)) {
    const inPrecision = (batch: number, workers = 1) =>
      evaluate(`run.precision=${precision}`, `run.batch=${batch}`, workers);
    const others: [string, () => Promise<EvaluatedSet>][] = [
      ['batch 4 again', () => inPrecision(4)],
      ...OTHER_BATCHES.map((batch): [string, () => Promise<EvaluatedSet>] => [
        `batch ${batch}`,
        () => inPrecision(batch),
      ]),
      ['two workers', () => inPrecision(4, 2)],
    ];
    await attempt(bench, precision, async () => {
      const reference = await inPrecision(4);
      for (const [what, evaluated] of others)
        await attempt(bench, `${precision}, ${what}`, async () => {
          const differs = difference(reference, await evaluated());
          bench.record({ precision, what, ...differs }, `${precision}, ${what}: ${differenceText(differs)}`);
        });
    });
  }
}

async function demoEvaluator({ device, images, folder }: Bench) {
  const files = await makeDemo(path.join(stateFolder(), 'demo'), () => {});
  const tiny = await loadConfig('tiny');
  return (...options: (string | number)[]): Promise<EvaluatedSet> => {
    const overrides = options.filter((option) => typeof option === 'string');
    const workers = options.find((option) => typeof option === 'number');
    const config = vitConfig(applyOverrides(tiny, [`run.device=${device}`, ...overrides], 'tiny'));
    return evaluateSet(files, config, { folder, images, ...(workers ? { workers } : {}) });
  };
}

function say({ record }: Bench, what: string, set: EvaluatedSet, onCpu: EvaluatedSet | null): void {
  const { mIoU, imagesPerSecond } = set;
  const differs = onCpu && difference(onCpu, set);
  const beside = differs ? `; beside the CPU, ${differenceText(differs)}` : '';
  record(
    { what, mIoU, imagesPerSecond, ...differs },
    `${what}: mIoU ${mIoU.toFixed(2)}, ${imagesPerSecond.toFixed(0)} images/s${beside}`,
  );
}
