import path from 'node:path';
import { PACKAGE } from '../../../workers/environment.ts';
import type { Row } from '../../golden/check/compare.ts';
import { compareGolden } from '../../golden/check/golden.ts';
import type { Bench } from './phase.ts';

/** What touches a device. */
const ON_DEVICE = /^(?!checkpoints|preprocessing|model: position|training: (learning|augmentation))/;

/** The golden data's rows: how far the device is from the original, beside how far the CPU is. */
export async function goldenBeside(bench: Bench): Promise<void> {
  await compareBeside(bench, path.join(PACKAGE, 'test/golden'), ON_DEVICE);
}

/** The same of trainings of every parameter, in the folder of `--golden`. */
export async function goldenTraining(bench: Bench): Promise<void> {
  await compareBeside(bench, path.resolve(bench.golden!), /^full training/);
}

async function compareBeside({ device, record }: Bench, folder: string, only: RegExp): Promise<void> {
  const rowsOnCpu = await compareGolden(folder, { print() {}, only });
  const onCpu = new Map(rowsOnCpu.map((row) => [row.what, row]));
  const count = { ok: 0, outside: 0 };
  await compareGolden(folder, {
    device,
    only,
    print(title, rows) {
      for (const row of rows) {
        count[row.verdict === 'ok' ? 'ok' : 'outside']++;
        const cpu = onCpu.get(row.what);
        const text = `${row.what}: ${row.error} (CPU ${cpu?.error}; tolerance ${row.tolerance})`;
        const { error, ...compared } = row;
        // Not as `error`: by that a phase says that something could not be measured.
        record({ section: title, ...compared, difference: error, cpu: cpu?.error }, `${mark(row)} ${text}`);
      }
    },
  });
  record(count, `${count.ok} within the original's tolerance, ${count.outside} not`);
}

function mark({ verdict }: Row): string {
  return verdict === 'ok' ? '✓' : '✗';
}
