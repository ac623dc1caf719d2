import type { Command } from 'commander';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { terminal } from '../../../cli/terminal.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { benchFeatureTransport } from '../feature-transport.ts';

interface Options {
  config: string;
  cfgOptions: string[];
  workers: number;
  steps: number;
}

export function benchFeaturesCommand(program: Command): void {
  program
    .command('bench-features')
    .description('time the way of features from workers to a trainer on this machine, without a backbone')
    .option('--config <name>', 'whose features', 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen')
    .option('--cfg-options <key=value...>', 'overrides, such as train.features=float32', [])
    .option('--workers <count>', 'processes that send', Number, 1)
    .option('--steps <count>', 'batches that are timed', Number, 12)
    .action(async ({ config: name, cfgOptions, workers, steps }: Options) => {
      const screen = terminal();
      const { train, ...config } = vitConfig(applyOverrides(await loadVitConfig(name), cfgOptions, name));
      if (!train)
        throw new BadInput(`${name}: has no train section; a config that says how to train is wanted`);
      screen.step(`${steps} batches of ${train.batch} crops from ${workers} process(es)`);
      const result = await benchFeatureTransport({ ...config, train }, { workers, steps });
      screen.done(`${name}, ${train.features}, ${result.megabytesPerCrop.toFixed(1)} MB a crop`);
      console.log(
        `${result.cropsPerSecond.toFixed(1)} crops/s, ${result.megabytesPerSecond.toFixed(0)} MB/s; ` +
          `CPU seconds a GB: trainer ${result.trainerCpuPerGB.toFixed(2)}, workers ${result.workersCpuPerGB.toFixed(2)}`,
      );
    });
}
