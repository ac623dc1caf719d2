import path from 'node:path';
import Table from 'cli-table3';
import type { Device } from '../../../core/config/config.ts';
import { openBackboneGolden } from './backbones/manifest.ts';
import { backboneSections } from './backbones/sections.ts';
import { checkCheckpoints } from './check-checkpoints.ts';
import { checkFullTraining } from './check-full-training.ts';
import { checkModel, checkPositionEmbedding } from './check-model.ts';
import { checkPipeline } from './check-pipeline.ts';
import { checkDecoding, checkPreprocessing } from './check-preprocessing.ts';
import { checkTraining } from './check-training.ts';
import { checkAugmentation, checkSchedules } from './check-training-data.ts';
import type { Row } from './compare.ts';
import { type GoldenFolder, type HeadTrainingRun, openGolden } from './manifest.ts';
import { NotImplemented } from './mmcv-config.ts';

/**
 * Compares Tessera with a folder of golden data, by the code that a worker runs.
 *
 * @param only which sections, by their titles; default: all
 * @returns every row; `print` is given each section as soon as it is there
 */
export async function compareGolden(
  folder: string,
  { print, device, only }: { print: (title: string, rows: Row[]) => void; device?: Device; only?: RegExp },
): Promise<Row[]> {
  const root = path.resolve(folder);
  const backbones = openBackboneGolden(root, device ?? 'cpu');
  const sections = backbones ? backboneSections(backbones) : segmenterSections(openGolden(root, device));
  const rows: Row[] = [];
  for (const [title, check] of sections) {
    if (only && !only.test(title)) continue;
    const section = await check().catch((error): Row[] => {
      const message = error instanceof Error ? error.message : String(error);
      const missing = error instanceof NotImplemented;
      return [
        { what: title, error: message, tolerance: '', verdict: missing ? 'not implemented' : 'FAILED' },
      ];
    });
    if (section.length > 0) print(title, section);
    rows.push(...section);
  }
  return rows;
}

type Section = [string, () => Promise<Row[]>];

/** Of a folder of the original segmentation folder's numbers. */
function segmenterSections(golden: GoldenFolder): Section[] {
  const { runs } = golden.manifest;
  return [
    ['checkpoints', () => checkCheckpoints(golden)],
    ['preprocessing: decoding and annotations', () => checkDecoding(golden)],
    ...runs.preprocessing.map(
      (run): Section => [`preprocessing: ${run.name}`, () => checkPreprocessing(golden, run)],
    ),
    ['model: position embedding', async () => checkPositionEmbedding(golden)],
    ...runs.model.map((run): Section => [`model: ${run.name}`, () => checkModel(golden, run)]),
    ...runs.pipeline.map((run): Section => [`pipeline: ${run.name}`, () => checkPipeline(golden, run)]),
    ...runs.training.map(
      (run): Section => [
        `training: ${run.name}`,
        () => ('cases' in run ? checkAugmentation(golden) : checkTraining(golden, run as HeadTrainingRun)),
      ],
    ),
    ...runs.fullTraining.map(
      (run): Section => [`full training: ${run.name}`, () => checkFullTraining(golden, run)],
    ),
    ['training: learning rates and groups', async () => checkSchedules(golden)],
  ];
}

/** A section as text: what, largest error, tolerance, verdict. */
export function sectionText(title: string, rows: Row[]): string {
  const table = new Table({
    head: [title, 'error', 'tolerance', 'verdict'],
    style: { head: [], border: [], compact: true },
    chars: {
      mid: '',
      'left-mid': '',
      'mid-mid': '',
      'right-mid': '',
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      right: '',
      middle: '  ',
    },
  });
  for (const { what, error, tolerance, verdict } of rows) table.push([what, error, tolerance, verdict]);
  return table.toString();
}
