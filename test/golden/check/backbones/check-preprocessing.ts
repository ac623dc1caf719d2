import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeImage } from '../../../../activities/images/decode.ts';
import { openSession, runSession, tensor } from '../../../../activities/onnx/session.ts';
import { resizeForTest } from '../../../../core/image/preprocess.ts';
import { CROPS, normalizeGraph } from '../../../../core/model/segmenter-graph.ts';
import { compareArrays, compareValues, type Row } from '../compare.ts';
import type { BackboneGolden, PreprocessingCase } from './manifest.ts';

const MEAN: [number, number, number] = [123.675, 116.28, 103.53];
const STD: [number, number, number] = [58.395, 57.12, 57.375];

/** DINOv3's own preprocessing: Pillow's resize byte by byte, then the tensor bit by bit. */
export async function checkPillow(golden: BackboneGolden, one: PreprocessingCase): Promise<Row[]> {
  const image = await decodeImage(readFileSync(golden.path(one.image)), one.image);
  const resized = resizeForTest(image, { type: 'pillow', shortSidePx: one.smallSide });
  const options = { device: golden.device, threads: 1 };
  const session = await openSession(
    normalizeGraph({ mean: MEAN, std: STD, normalization: 'torch' }),
    options,
  );
  const crops = tensor(resized.data, [1, resized.height, resized.width, 3]);
  const { input } = await runSession(session, { [CROPS]: crops }, golden.device);
  await session.release();
  const data = input!.data as Float32Array;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const rows = [
    compareArrays(one.resized, resized.data, golden.numbers(one.resized), { exact: true }),
    compareValues(
      `${one.image}: tensor's SHA-256`,
      createHash('sha256').update(bytes).digest('hex'),
      one.tensorSha256,
    ),
  ];
  if (one.tensor)
    rows.push(compareArrays(one.tensor.file, data, golden.numbers(one.tensor.file), one.tensor));
  return rows;
}
