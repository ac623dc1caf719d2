import path from 'node:path';
import { PACKAGE } from '../../../workers/environment.ts';
import type { Row } from '../../golden/check/compare.ts';
import { compareGolden } from '../../golden/check/golden.ts';
import type { Bench } from './phase.ts';

/** What touches a device. */
const ON_DEVICE = /^(?!checkpoints|preprocessing|model: position|training: (learning|augmentation))/;

const FULL_TRAINING = /^full training/;
/** How many of a section's rows outside of the tolerance are named. */
const NAMED = 3;

/** The golden data's rows: how far the device is from the original, beside how far the CPU is. */
export async function goldenBeside({ device, record }: Bench): Promise<void> {
  const folder = path.join(PACKAGE, 'test/golden');
  const onCpu = await rowsOnCpu(folder, ON_DEVICE);
  const count = { ok: 0, outside: 0 };
  await compareGolden(folder, {
    device,
    only: ON_DEVICE,
    print(title, rows) {
      for (const row of rows) {
        count[row.verdict === 'ok' ? 'ok' : 'outside']++;
        record(rowData(title, row, onCpu), `${row.verdict === 'ok' ? '✓' : '✗'} ${rowText(row, onCpu)}`);
      }
    },
  });
  record(count, `${count.ok} within the original's tolerance, ${count.outside} not`);
}

/** The same of trainings of every parameter, in the folder of `--golden`: a line each, since each has hundreds of rows. */
export async function goldenTraining({ device, golden, record }: Bench): Promise<void> {
  const folder = path.resolve(golden!);
  const onCpu = await rowsOnCpu(folder, FULL_TRAINING);
  await compareGolden(folder, {
    device,
    only: FULL_TRAINING,
    print(title, rows) {
      const outside = rows.filter(({ verdict }) => verdict !== 'ok').sort((a, b) => excess(b) - excess(a));
      const worst = outside.slice(0, NAMED).map((row) => `\n    ${rowText(row, onCpu)}`);
      record(
        { section: title, rows: rows.length, outside: outside.map((row) => rowData(title, row, onCpu)) },
        `${title}: ${rows.length - outside.length} of ${rows.length} within the tolerance${worst.join('')}`,
      );
    },
  });
}

async function rowsOnCpu(folder: string, only: RegExp): Promise<Map<string, Row>> {
  const rows = await compareGolden(folder, { print() {}, only });
  return new Map(rows.map((row) => [row.what, row]));
}

function rowData(section: string, { error, ...compared }: Row, onCpu: Map<string, Row>) {
  // Not as `error`: by that a phase says that something could not be measured.
  return { section, ...compared, difference: error, cpu: onCpu.get(compared.what)?.error };
}

function rowText({ what, error, tolerance }: Row, onCpu: Map<string, Row>): string {
  return `${what}: ${error} (CPU ${onCpu.get(what)?.error}; tolerance ${tolerance})`;
}

/** How many times its tolerance a difference is; 0 of what is no number. */
function excess({ error, tolerance }: Row): number {
  const times = Number.parseFloat(error) / Number.parseFloat(tolerance);
  return Number.isFinite(times) ? times : 0;
}
