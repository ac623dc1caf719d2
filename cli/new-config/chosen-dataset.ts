import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isConfigFile } from '../../activities/plan/config-file.ts';
import { CONFIGS, loadConfig } from '../../activities/plan/load-config.ts';
import type { Config } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { classesOf } from '../../core/config/model-kinds.ts';

/** The dataset that the families' configs have. */
const DEFAULT = 'ade20k';

/** What a new config has of a dataset. */
export interface ChosenDataset {
  /** For names of configs. */
  label: string;
  classes: number;
  section: Config['dataset'];
}

/**
 * The dataset section of a config.
 *
 * @param named `ade20k`, or a config by its name or file
 * @param base has ADE20K's section
 * @throws BadInput for a name in configs/datasets: where files lie is not in there
 */
export async function chosenDataset(named: string, base: Config): Promise<ChosenDataset> {
  if (named === DEFAULT) return of(base, DEFAULT);
  const datasets = await readdir(path.join(CONFIGS, 'datasets'));
  if (datasets.includes(`${named}.yaml`))
    throw new BadInput(
      `--dataset ${named}: configs/datasets/${named}.yaml has classes, but not where files lie: write a config with the ` +
        'dataset section that its header shows, and name its file (docs/how-to/datasets.md)',
    );
  const config = await loadConfig(named);
  return of(config, isConfigFile(named) ? path.basename(named).replace(/\.\w+$/, '') : config.dataset.type);
}

function of({ dataset, model }: Config, label: string): ChosenDataset {
  return { label, classes: classesOf(model), section: dataset };
}
