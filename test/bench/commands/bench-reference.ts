import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { makeDemo } from '../../../cli/demo/make-demo.ts';
import { connectSession } from '../../../cli/session.ts';
import { terminal } from '../../../cli/terminal.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { stateFolder } from '../../../workers/environment.ts';
import { PRESETS } from '../presets.ts';
import { benchReference, comparisonText } from '../reference-bench.ts';

interface Options {
  images: number;
  rounds: number;
  threads: number;
  batch: number;
}

export function benchReferenceCommand(program: Command): void {
  program
    .command('bench-reference')
    .description("time mmsegmentation's own loop and ours in turns, on the same images, weights and threads")
    .option('--images <count>', 'of a pass', Number, 12)
    .option('--rounds <count>', 'of each, in turns', Number, 3)
    .option('--threads <count>', 'of torch and of ONNX Runtime', Number, os.availableParallelism())
    .option('--batch <count>', 'crops of a batch of ours; on a CPU more than one gains nothing', Number, 1)
    .action(async ({ batch, ...options }: Options) => {
      const overrides = [...PRESETS.mid.overrides, `run.batch=${batch}`];
      const config = vitConfig(applyOverrides(await loadConfig('tiny'), overrides, 'bench-reference'));
      const screen = terminal();
      const say = (step: string) => screen.step(step);
      await using session = await connectSession(screen);
      const { ade } = await makeDemo(path.join(stateFolder(), 'demo'), say);
      const folder = path.join(stateFolder(), 'bench-reference');
      console.log(comparisonText(await benchReference({ session, folder, ade, config, say, ...options })));
    });
}
