/* Opens and runs a small model in this thread and in the inference thread: `infer-once.ts FOLDER`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inference } from '../../../activities/evaluate/inference.ts';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { randomCheckpoint, tinyConfig } from '../../builders.ts';

const folder = process.argv[2]!;
const config = tinyConfig();
const file = join(folder, 'x.pth');
writeFileSync(file, randomCheckpoint(config.model));
const { modelFile } = await prepareModel(folder, [{ name: 'x.pth', file }], config);
const inference = await Inference.open({ modelFile, config });
const side = config.model.backbone.imageSizePx;
const image = { width: side, height: side, data: new Uint8Array(side * side * 3) };
const labels = inference.segment('a', [{ image, isFlipped: false }], { width: 8, height: 8 });
inference.flush();
console.log(`${(await labels).length} labels`);
await inference[Symbol.asyncDispose]();
