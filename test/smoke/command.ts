import os from 'node:os';
import path from 'node:path';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { openSession } from '../../cli/session.ts';
import { terminal } from '../../cli/terminal.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { stateFolder } from '../../workers/environment.ts';
import { gb, MIN_FREE_BYTES, type Phase, smoke } from './smoke.ts';

const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
const UPERNET = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
/** What a laptop of 16 GB can spare. */
const MAX_PEAK_BYTES = 4e9;

export function smokeCommand(program: Command): void {
  program
    .command('smoke')
    .description(
      'take random weights of the true 6B sizes the whole way, on a CPU, and print time and memory',
    )
    .option('--threads <count>', 'of ONNX Runtime (default: all cores)', Number, os.availableParallelism())
    .action(async ({ threads }: { threads: number }) => {
      const overrides = ['run.device=cpu', 'run.precision=float32'];
      const config = async (name: string) => applyOverrides(await loadConfig(name), overrides, 'smoke');
      const screen = terminal();
      await using session = await openSession(screen);
      const phases: Phase[] = [];
      const result = await smoke({
        session,
        stateFolder: stateFolder(),
        folder: path.join(stateFolder(), 'smoke'),
        linear: await config(LINEAR),
        upernet: await config(UPERNET),
        threads,
        minFreeBytes: MIN_FREE_BYTES,
        onPhase(phase) {
          phases.push(phase);
          screen.done(`${phase.name}: ${phase.seconds.toFixed(1)} s, ${phase.notes}`);
        },
        onStep: (text) => screen.step(text),
      });
      console.log(phaseTable(phases));
      const isBounded = result.peakBytes <= MAX_PEAK_BYTES;
      console.log(
        `peak of anonymous memory ${gb(result.peakBytes)} (${isBounded ? 'within' : 'ABOVE'} ${gb(MAX_PEAK_BYTES)}); ` +
          `resident with mapped files ${gb(result.residentPeakBytes)}; ${threads} threads`,
      );
      if (!isBounded) process.exitCode = 1;
    });
}

function phaseTable(phases: Phase[]): string {
  const table = new Table({
    head: ['phase', 'seconds', 'peak anonymous', 'notes'],
    colAligns: ['left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, seconds, peakBytes, notes } of phases)
    table.push([name, seconds.toFixed(1), gb(peakBytes), notes]);
  return table.toString();
}
