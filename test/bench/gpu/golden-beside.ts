import path from 'node:path';
import { PACKAGE } from '../../../workers/environment.ts';
import type { Row } from '../../golden/check/compare.ts';
import { compareGolden } from '../../golden/check/golden.ts';
import type { Bench } from './phase.ts';

/** What touches no device. */
const ON_HOST = /^(checkpoints|preprocessing|model: position|training: (learning|augmentation))/;

/** The golden data's rows: how far the device is from the original, beside how far the CPU is. */
export async function goldenBeside({ device, record }: Bench): Promise<void> {
  const folder = path.join(PACKAGE, 'test/golden');
  const onCpu = new Map((await compareGolden(folder, { print() {} })).map((row) => [row.what, row]));
  const count = { ok: 0, outside: 0 };
  await compareGolden(folder, {
    device,
    print(title, rows) {
      if (ON_HOST.test(title)) return;
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
