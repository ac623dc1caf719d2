import type { Command } from 'commander';

export interface ConfigsOptions {
  cfgOptions?: string[];
  json?: true;
}

export function configsCommand(program: Command): void {
  program
    .command('configs')
    .description('list the configs and what they reproduce, or print one with all defaults')
    .argument('[name]', 'a name of the list, or a YAML file of this machine')
    .option('--cfg-options <key=value...>', 'override fields')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: ConfigsOptions) => {
      const { listOfConfigs, resolvedConfig } = await import('../configs.ts');
      await (name === undefined ? listOfConfigs(options) : resolvedConfig(name, options));
    });
}
