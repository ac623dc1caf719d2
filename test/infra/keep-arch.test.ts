import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, temporaryFolder } from './observe.ts';

const PTX = 1;
const MACHINE_CODE = 2;
const hasPython = spawnSync('python3', ['--version']).status === 0;

/** A container of device code, as in a CUDA library: each entry's payload is its architecture, 16 times. */
function fatbin(entries: [kind: number, architecture: number][]): Buffer {
  const body = Buffer.concat(
    entries.map(([kind, architecture]) => {
      const entry = Buffer.alloc(64 + 16, architecture);
      entry.fill(0, 0, 64);
      entry.writeUInt16LE(kind, 0);
      entry.writeUInt32LE(64, 4);
      entry.writeBigUInt64LE(16n, 8);
      entry.writeUInt32LE(architecture, 28);
      return entry;
    }),
  );
  const header = Buffer.alloc(16);
  header.writeUInt32LE(0xba55ed50, 0);
  header.writeUInt16LE(1, 4);
  header.writeUInt16LE(16, 6);
  header.writeBigUInt64LE(BigInt(body.length), 8);
  return Buffer.concat([header, body]);
}

function keepArch(library: Buffer, ...architectures: string[]): Buffer {
  const folder = temporaryFolder();
  const [source, target] = [join(folder, 'in.so'), join(folder, 'out.so')];
  writeFileSync(source, library);
  execFileSync('python3', [join(ROOT, 'images/worker/keep_arch.py'), source, target, ...architectures], {
    stdio: 'pipe',
  });
  return readFileSync(target);
}

const library = Buffer.concat([
  Buffer.from('host code'),
  fatbin([
    [MACHINE_CODE, 80],
    [MACHINE_CODE, 90],
    [PTX, 90],
  ]),
  Buffer.from('more of it'),
  fatbin([[MACHINE_CODE, 120]]),
]);

test.skipIf(!hasPython)('a CUDA library keeps the code of the named architectures, and its size', () => {
  const expected = Buffer.from(library);
  // Entries start after 9 + 16 bytes, and after 10 + 16 more; each is 64 + 16 bytes.
  const payloads = [0, 1, 2].map((index) => 25 + index * 80 + 64);
  for (const at of [payloads[0]!, payloads[2]!, 25 + 3 * 80 + 26 + 64]) expected.fill(0, at, at + 16);
  expect(keepArch(library, '90')).toEqual(expected);
});

test.skipIf(!hasPython)(
  'without names it is copied as it is, and an architecture that it lacks is refused',
  () => {
    expect(keepArch(library)).toEqual(library);
    expect(() => keepArch(library, '75')).toThrow(/no code for architecture 75, only for 80, 90, 120/);
  },
);
