import type { ConfigsFromOptions } from '../commands/configs.ts';
import type { ModelSource } from './model-source.ts';

/** The comment on top of a new config: what it is made of, and what is to be checked. */
export function headerOf({
  source,
  options,
  base,
  hasNormalization,
}: {
  source: ModelSource;
  options: ConfigsFromOptions;
  base: string;
  hasNormalization: boolean;
}): string {
  const { uri, name, weights } = source;
  const head = { linear: 'a linear head', upernet: 'UperNet' }[options.head];
  const training = options.head === 'upernet' ? "; training is InternVL's head tuning" : '';
  const meanAndStd = hasNormalization
    ? "those of the model's preprocessor_config.json"
    : "the family's usual ones, since no preprocessor_config.json was found";
  const lines = [
    `${name}: ${head} on frozen blocks. Made by \`tessera configs from\` of`,
    uri,
    'Sizes are those of this file. All else is that of',
    `configs/${base}.yaml${training}.`,
    'Check before a run:',
    `- mean and std: ${meanAndStd}`,
    '- taps, crop, stride and resize: a head that was trained elsewhere needs those of its training',
    `- dataset: where its files lie (of ${options.dataset})`,
    '- run: batch and workers for your GPUs',
    ...(weights === null ? ['- weights: none are named here; a run takes them by --weights'] : []),
  ];
  return lines.map((line) => `# ${line}\n`).join('');
}
