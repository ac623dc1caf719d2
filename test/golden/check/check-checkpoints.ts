import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { readTensor } from '../../../core/checkpoint/tensor-data.ts';
import { TypedFailure } from '../../../core/config/failures.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { compareValues, type Row, verdict } from './compare.ts';
import type { GoldenFolder } from './manifest.ts';

const Index = z.record(
  z.string(),
  z.looseObject({
    tensors: z.record(
      z.string(),
      z.looseObject({ dtype: z.string(), shape: z.array(z.int()), sha256: z.string() }),
    ),
  }),
);

/** Every tensor of every checkpoint that an index.json lists; the old non-zip format must be refused in words. */
export async function checkCheckpoints(golden: GoldenFolder): Promise<Row[]> {
  const rows: Row[] = [];
  for (const indexFile of ['checkpoints/index.json', 'pipeline/checkpoints/index.json'].filter(golden.has)) {
    const index = parseAs(Index, golden.json(indexFile), indexFile);
    for (const [name, { tensors }] of Object.entries(index)) {
      const file = path.join(path.dirname(indexFile), name);
      if (golden.has(file)) rows.push(await checkFile(golden, file, tensors));
    }
  }
  return rows;
}

type Tensors = z.infer<typeof Index>[string]['tensors'];

async function checkFile(golden: GoldenFolder, file: string, expected: Tensors): Promise<Row> {
  const bytes = readFileSync(golden.path(file));
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const isLegacy = bytes[0] !== 0x50; // 'P' of a zip's 'PK'
  try {
    const torch = await openCheckpoint(file, bytes.length, read);
    const actual: Tensors = {};
    for (const [name, tensor] of torch.tensors) {
      const data = await readTensor(torch, tensor, read);
      const sha256 = createHash('sha256').update(data).digest('hex');
      actual[name] = { dtype: tensor.dtype, shape: tensor.shape, sha256 };
    }
    const wanted = Object.entries(expected).map(([name, { dtype, shape, sha256 }]) => [
      name,
      { dtype, shape, sha256 },
    ]);
    const row = compareValues(file, actual, Object.fromEntries(wanted));
    return {
      ...row,
      tolerance: `${wanted.length} tensors, bytes equal`,
      error: row.verdict === 'ok' ? '0' : 'differs',
    };
  } catch (error) {
    if (!(error instanceof TypedFailure)) throw error;
    return verdict(
      file,
      isLegacy,
      `refused: ${error.message.split(': ')[1] ?? error.message}`.slice(0, 50),
      isLegacy ? 'refused clearly' : 'read',
    );
  }
}
