import { type Command, InvalidArgumentError, Option } from 'commander';

export interface ConfigsOptions {
  cfgOptions?: string[];
  json?: true;
}

export interface ConfigsFromOptions {
  head: 'linear' | 'upernet';
  taps?: number[];
  crop?: number;
  stride?: number;
  dataset: string;
  name?: string;
  out?: string;
}

export function configsCommand(program: Command): void {
  const configs = program
    .command('configs')
    .description('list the configs and what they reproduce, or print one with all defaults')
    .argument('[name]', 'a name of the list, or a YAML file of this machine')
    .option('--cfg-options <key=value...>', 'override fields')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: ConfigsOptions) => {
      const { listOfConfigs, resolvedConfig } = await import('../configs.ts');
      await (name === undefined ? listOfConfigs(options) : resolvedConfig(name, options));
    });

  configs
    .command('from')
    .description("write a config for a model, from the model's own config.json")
    .argument('<model>', 'hf://org/name@revision, or a config.json of this machine')
    .addOption(new Option('--head <type>', 'kind of head').choices(['linear', 'upernet']).default('linear'))
    .option(
      '--taps <blocks>',
      'blocks that the head sees, from 0: 2,5,8,11 (default: the last; of UperNet, four at equal distances)',
      numbers,
    )
    .option('--crop <px>', "side of the windows (default: the family's)", pixels)
    .option('--stride <px>', 'distance of the windows (default: in proportion to the crop)', pixels)
    .option('--dataset <config>', 'ade20k, or a config whose dataset section is taken', 'ade20k')
    .option('--name <name>', 'name of the config (default: of model, dataset and head)')
    .option('--out <file>', 'YAML file to write (default: print it)')
    .action(async (model: string, options: ConfigsFromOptions) => {
      // `configs` takes its own options wherever they stand.
      if (Object.keys(configs.opts()).length > 0)
        configs.error(
          'error: --cfg-options and --json go with `tessera configs NAME`: change the written file',
        );
      await (await import('../new-config/from-model.ts')).configFromModel(model, options);
    });
}

function pixels(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('expected pixels, such as 512');
  return Number(text);
}

function numbers(text: string): number[] {
  if (!/^\d+(,\d+)*$/.test(text)) throw new InvalidArgumentError('expected blocks, such as 2,5,8,11');
  return text.split(',').map(Number);
}
