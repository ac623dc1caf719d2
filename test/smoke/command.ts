import os from 'node:os';
import path from 'node:path';
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { connectSession } from '../../cli/session.ts';
import { terminal } from '../../cli/terminal.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { stateFolder } from '../../workers/environment.ts';
import { gb, MIN_FREE_BYTES, type Phase, smoke } from './smoke.ts';

const MODELS = {
  '6b': {
    linear: 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
    upernet: 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
  },
  '7b': { linear: 'dinov3_vit7b16_ade20k_linear', upernet: null },
};
/** What a laptop of 16 GB can spare. */
const MAX_PEAK_BYTES = 4e9;

export function smokeCommand(program: Command): void {
  program
    .command('smoke')
    .description('take random weights of true sizes the whole way, on a CPU, and print time and memory')
    .addOption(
      new Option('--model <name>', 'InternViT-6B or DINOv3-7B').choices(Object.keys(MODELS)).default('6b'),
    )
    .option('--threads <count>', 'of ONNX Runtime (default: all cores)', Number, os.availableParallelism())
    .action(async ({ model, threads }: { model: keyof typeof MODELS; threads: number }) => {
      const { linear, upernet } = MODELS[model];
      const overrides = ['run.device=cpu', 'run.precision=float32'];
      const config = async (name: string) =>
        vitConfig(applyOverrides(await loadVitConfig(name), overrides, 'smoke'));
      const screen = terminal();
      await using session = await connectSession(screen);
      const phases: Phase[] = [];
      const result = await smoke({
        session,
        stateFolder: stateFolder(),
        folder: path.join(stateFolder(), 'smoke'),
        linear: await config(linear),
        upernet: upernet === null ? null : await config(upernet),
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
