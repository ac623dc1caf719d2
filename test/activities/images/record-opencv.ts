// Records what OpenCV and mmcv read of each file of the table:
// TESSERA_OPENCV_PYTHON=… node --import tsx test/activities/images/record-opencv.ts
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesToRead, readByOpenCV } from './files-to-read.ts';

async function record(): Promise<void> {
  const python = process.env.TESSERA_OPENCV_PYTHON;
  if (!python) throw new Error('TESSERA_OPENCV_PYTHON names no python; infra/opencv/setup.sh makes one');
  const read = await readByOpenCV(python, await filesToRead());
  const lines = Object.entries(read).map(
    ([name, reading]) => `${JSON.stringify(name)}: ${JSON.stringify(reading)}`,
  );
  writeFileSync(join(import.meta.dirname, 'opencv.json'), `{\n${lines.join(',\n')}\n}\n`);
}

await record();
