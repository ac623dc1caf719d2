import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { loadImage } from '../../../activities/evaluate/load-image.ts';
import { labelPng } from '../../../activities/evaluate/pictures.ts';
import { decodeAnnotation } from '../../../activities/images/decode.ts';
import { loadClasses } from '../../../activities/plan/load-config.ts';
import { submissionIdsOf } from '../../../core/config/config.ts';
import { inBytes } from '../../../core/image/label-map.ts';
import { paint } from '../../../core/image/paint.ts';
import { type Row, verdict } from './compare.ts';
import { evaluateRun, ROOT } from './evaluate-run.ts';
import type { GoldenFolder, PipelineRun } from './manifest.ts';

/** How far a painted byte may be off. */
const MAX_BYTE_ERROR = 1;

/** mmseg's --show-dir: the picture under the paint, and the painted one. */
export async function checkShow(golden: GoldenFolder, run: PipelineRun, source: PipelineRun): Promise<Row[]> {
  const id = run.image!;
  const opacity = run.opacity ?? 0.5;
  using evaluated = await evaluateRun(golden, { ...source, images: [id] });
  const config = { ...evaluated.config, run: { ...evaluated.config.run, show: { opacity } } };
  const { underlay } = await loadImage(evaluated.store, ROOT, evaluated.manifest.images[0]!, config);
  const under = underlay!.data;
  const { classes } = await loadClasses('ade20k');
  const painted = paint(under, evaluated.predictions.get(id)!, classes, opacity);
  return [
    await comparePicture(golden, run.expected.under!, under, null),
    await comparePicture(golden, run.expected.overlay!, painted, await nearTie(golden, source, id)),
  ];
}

/** mmseg's --format-only for ADE20K: classes from 1, as PNG. */
export async function checkFormatOnly(
  golden: GoldenFolder,
  run: PipelineRun,
  source: PipelineRun,
): Promise<Row[]> {
  using evaluated = await evaluateRun(golden, { ...source, images: run.images });
  const ids = submissionIdsOf(await loadClasses('ade20k'));
  const rows: Row[] = [];
  for (const id of run.images) {
    const file = run.expected.png!.replace('{id}', id);
    const expected = await decodeAnnotation(readFileSync(golden.path(file)), file);
    const written = labelPng(expected, evaluated.predictions.get(id)!, ids);
    const actual = (await decodeAnnotation(written, file)).data;
    const tie = await nearTie(golden, source, id);
    const wrong = expected.data.filter((value, i) => value !== actual[i] && !tie?.[i]).length;
    rows.push(verdict(file, wrong === 0, `${wrong} differ`, '0 but for near-ties'));
  }
  return rows;
}

async function comparePicture(
  golden: GoldenFolder,
  file: string,
  actual: Uint8Array,
  ignore: Uint8Array | null,
): Promise<Row> {
  const expected = await sharp(golden.path(file)).removeAlpha().raw().toBuffer();
  let largest = actual.length === expected.length ? 0 : 255;
  for (let i = 0; i < expected.length; i++)
    if (!ignore?.[Math.floor(i / 3)]) largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
  return verdict(file, largest <= MAX_BYTE_ERROR, String(largest), `≤ ${MAX_BYTE_ERROR}`);
}

async function nearTie(golden: GoldenFolder, run: PipelineRun, id: string): Promise<Uint8Array | null> {
  const file = run.expected.near_tie?.replace('{id}', id) ?? '';
  return golden.has(file)
    ? inBytes(await decodeAnnotation(readFileSync(golden.path(file)), file), file).data
    : null;
}
