import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenFolder } from '../../golden-folder.ts';
import type { Row } from './compare.ts';
import { compareGolden } from './golden.ts';

const IN_REPOSITORY = path.resolve(import.meta.dirname, '..');

function failures(rows: Row[]): string[] {
  return rows.filter(({ verdict }) => verdict === 'FAILED').map(({ what, error }) => `${what}: ${error}`);
}

describe('Tessera computes what the original does', () => {
  // The whole set where it is at hand, and always the part that lies in the repository.
  const folders = [IN_REPOSITORY, goldenFolder()].flatMap((folder) => [
    folder,
    path.join(folder, 'backbones'),
  ]);
  it.each([...new Set(folders)].filter((folder) => existsSync(folder)))(
    'on all that %s holds',
    async (folder) => {
      const rows = await compareGolden(folder, { print() {} });
      expect(failures(rows)).toEqual([]);
      expect(rows.filter(({ verdict }) => verdict === 'ok').length).toBeGreaterThan(80);
    },
    180_000,
  );
});

describe('the comparison', () => {
  let copy: string;
  beforeAll(() => {
    copy = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-test-'));
    cpSync(IN_REPOSITORY, copy, { recursive: true });
  });
  afterAll(() => rmSync(copy, { recursive: true }));

  it('sees one wrong number, one wrong prediction, one damaged file and one missing file', async () => {
    const change = (file: string, at: (bytes: Buffer) => number) => {
      const bytes = readFileSync(path.join(copy, file));
      bytes[at(bytes)]! ^= 0x40;
      writeFileSync(path.join(copy, file), bytes);
    };
    change('model/linear_56/b0_attn.npy', (bytes) => bytes.length - 1);
    change('pipeline/runs/linear_56_slide/confusion.npy', () => 128 + 2);
    change('preprocessing/images/adelike.jpg', (bytes) => bytes.length >> 1);
    rmSync(path.join(copy, 'pipeline/runs/linear_56_whole/pred/ADE_val_00000006.png'));
    const failed = failures(await compareGolden(copy, { print() {} }));
    expect(failed.some((line) => line.startsWith('model/linear_56/b0_attn.npy'))).toBe(true);
    expect(failed.some((line) => line.startsWith('pipeline/runs/linear_56_slide/confusion.npy'))).toBe(true);
    expect(failed.some((line) => line.includes('adelike'))).toBe(true);
    expect(failed.some((line) => line.includes('ADE_val_00000006.png'))).toBe(true);
  }, 120_000);

  it("sees one wrong number of a backbone's block, and of a head", async () => {
    const folder = path.join(copy, 'backbones');
    const blocks = ['dinov3_7b/32x80/block1.npy', 'heads/dinov2_linear/feature.npy'];
    for (const file of blocks) {
      const bytes = readFileSync(path.join(folder, file));
      bytes[bytes.length - 1]! ^= 0x40;
      writeFileSync(path.join(folder, file), bytes);
    }
    const failed = failures(await compareGolden(folder, { print() {} }));
    for (const file of blocks) expect(failed.some((line) => line.startsWith(file))).toBe(true);
  }, 120_000);
});
