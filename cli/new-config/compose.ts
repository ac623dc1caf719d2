import { type Document, isCollection, isNode, isScalar, parse, parseDocument } from 'yaml';
import { withClasses } from '../../activities/plan/resolve-config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { parseConfig } from '../../core/config/parse.ts';
import { backboneFromJson } from '../../core/model/model-json.ts';
import type { ConfigsFromOptions } from '../commands/configs.ts';
import { chosenDataset } from './chosen-dataset.ts';
import { chosenHead, defaultTaps, upernetTraining } from './chosen-head.ts';
import { headerOf } from './header.ts';
import type { ModelSource } from './model-source.ts';
import { nearestConfig } from './nearest-config.ts';
import { normalizationOf } from './normalization.ts';

/** Sides in a config that go with the crop, as far as they are there. */
const SIDES = [
  ['pipeline', 'resize', 'shortSidePx'],
  ['pipeline', 'resize', 'longPx'],
  ['pipeline', 'resize', 'shortPx'],
  ['train', 'augmentation', 'longPx'],
  ['train', 'augmentation', 'shortPx'],
];
/** A long side that limits nothing. */
const UNLIMITED_PX = 99_999_999;
/** What the files in configs/ have on one line. */
const ON_ONE_LINE = [
  ['model', 'backbone', 'taps'],
  ['model', 'head', 'poolScales'],
  ['model', 'auxiliaryHead'],
  ['model', 'test'],
  ['pipeline', 'mean'],
  ['pipeline', 'std'],
];
/** Which option a field of the config comes from, for messages. */
const OPTIONS = { taps: '--taps', imageSizePx: '--crop', stridePx: '--stride' };

/**
 * Makes a config for a model: sizes from its config.json, everything else from the family's config of the nearest size.
 *
 * @returns YAML, as the files in configs/ are written
 * @throws BadInput naming the field of config.json, or the option, that is wrong
 */
export async function composeConfig(source: ModelSource, options: ConfigsFromOptions): Promise<string> {
  const { family, fields } = backboneFromJson(source.config, source.uri);
  const { embedDim, depth, type, ...sizes } = fields;
  const base = await nearestConfig(family, fields);
  const dataset = await chosenDataset(options.dataset, base.config);
  const normalization = normalizationOf(source.preprocessor);
  const { head, taps = defaultTaps(head, depth), crop = base.cropPx } = options;
  const px = (value: number) => (value === UNLIMITED_PX ? value : Math.round((value * crop) / base.cropPx));

  const doc = parseDocument(base.text);
  const set = (at: string[], value: unknown) => doc.setIn(at, doc.createNode(value));
  set(['name'], options.name ?? nameOf(source.name, dataset.label, head));
  doc.delete('reproduces');
  if (source.weights === null) doc.delete('published');
  else set(['published'], { weights: source.weights });
  set(['model'], {
    backbone: { type, imageSizePx: crop, embedDim, depth, ...sizes, taps },
    ...chosenHead(head, { embedDim, taps: taps.length, classes: dataset.classes }),
    test: { mode: 'slide', cropPx: crop, stridePx: options.stride ?? px(base.stridePx) },
  });
  if (dataset.section !== base.config.dataset) set(['dataset'], dataset.section);
  if (head === 'upernet') {
    const augmentation = doc.getIn(['train', 'augmentation'], true);
    doc.set('train', await upernetTraining());
    doc.setIn(['train', 'augmentation'], augmentation);
  }
  for (const at of SIDES) {
    const side = doc.getIn(at, true);
    if (isScalar(side)) side.value = px(Number(side.value));
  }
  // It may speak of the family's crop.
  const resize = doc.getIn(['pipeline', 'resize'], true);
  if (crop !== base.cropPx && isNode(resize)) resize.comment = null;
  if (normalization) {
    set(['pipeline', 'mean'], normalization.mean);
    set(['pipeline', 'std'], normalization.std);
  }
  for (const at of ON_ONE_LINE) writeOnOneLine(doc, at);

  const body = doc.toString({ lineWidth: 0 }).replace(/: \[ (.+) \]$/gm, ': [$1]');
  await check(body, source.uri, family.jsonNames);
  const hasNormalization = normalization !== null;
  return headerOf({ source, options, base: base.name, hasNormalization }) + body;
}

function nameOf(model: string, dataset: string, head: string): string {
  return `${model}_${dataset}_${head}`.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

function writeOnOneLine(doc: Document, at: string[]): void {
  const node = doc.getIn(at, true);
  if (isCollection(node)) node.flow = true;
}

/** @throws BadInput in the words of config.json and of options */
async function check(body: string, uri: string, jsonNames: Record<string, string>): Promise<void> {
  const names: Record<string, string> = { ...jsonNames, ...OPTIONS };
  try {
    await withClasses(parseConfig(parse(body), uri));
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    const said = error.message
      .replace(/\bmodel\.(?:backbone|test)\.(\w+)/g, (path, field: string) => names[field] ?? path)
      .replace(/\b[a-z]+[A-Z]\w*\b/g, (word) => names[word] ?? word);
    throw new BadInput(said);
  }
}
