import type { Command } from 'commander';

export function configsCommand(program: Command): void {
  program
    .command('configs')
    .description('list the configs and what they reproduce, or print one with all defaults')
    .argument('[name]')
    .option('--cfg-options <key=value...>', 'override fields')
    .action(async (name: string | undefined, options: { cfgOptions?: string[] }) => {
      const { listConfigs, loadConfig } = await import('../../activities/plan/load-config.ts');
      if (name) {
        const { stringify } = await import('yaml');
        const { applyOverrides } = await import('../../core/config/overrides.ts');
        console.log(
          stringify(applyOverrides(await loadConfig(name), options.cfgOptions ?? [], name)).trimEnd(),
        );
        return;
      }
      for (const config of await listConfigs()) {
        const { reproduces } = await loadConfig(config);
        console.log(`${config}${reproduces ? `  (${reproduces.row}: ${reproduces.mIoU} mIoU)` : ''}`);
      }
    });
}
