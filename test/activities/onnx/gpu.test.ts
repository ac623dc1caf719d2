import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { askGpu, checkGpu } from '../../../activities/onnx/gpu.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const { PATH } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
});

/** An nvidia-smi of one GPU, which stands before any other on PATH. */
function pretendGpu({ capability = '9.0', memoryMiB = 81_559, name = 'NVIDIA H100 80GB HBM3' } = {}): void {
  const folder = temporaryFolder();
  const program = path.join(folder, 'nvidia-smi');
  const script = `#!/bin/sh
case "$*" in
  *compute_cap*) echo '${capability}' ;;
  *memory.total*) echo '${memoryMiB}' ;;
  *gpu=name*) echo '${name}' ;;
  *) exit 1 ;;
esac
case "$1" in --id=*) echo "$1" ;; esac
`;
  writeFileSync(program, script);
  chmodSync(program, 0o755);
  process.env.PATH = `${folder}:${PATH}`;
}

test('a batch that a GPU has no room for is refused as out of memory, before anything is loaded', async () => {
  pretendGpu({ memoryMiB: 24_564 });
  await expect(checkGpu('cuda', 46.1e9, 'run.batch=16 of x')).rejects.toMatchObject({
    failureClass: 'OutOfMemory',
    message: 'run.batch=16 of x needs about 46.1 GB of device memory, and this GPU has 25.8 GB',
  });
  await checkGpu('cuda', 25e9, 'run.batch=1 of x');
});

test('a GPU that the provider has no kernels for is refused by its name', async () => {
  pretendGpu({ capability: '10.0', name: 'NVIDIA B200' });
  await expect(checkGpu('cuda', 1e9, 'x')).rejects.toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringMatching(
      /^NVIDIA B200 has compute capability 10\.0, .* expected 7\.5, 8\.x, 9\.0 or 12\.x/,
    ),
  });
});

test('without nvidia-smi, and on a CPU, nothing is refused', async () => {
  process.env.PATH = temporaryFolder();
  await checkGpu('cuda', 1e15, 'x');
  process.env.PATH = PATH;
  pretendGpu();
  await checkGpu('cpu', 1e15, 'x');
});

test('the GPU that is asked is the one that this process sees', async () => {
  pretendGpu();
  expect(await askGpu('name', {})).toBe('NVIDIA H100 80GB HBM3');
  expect(await askGpu('nothing', {})).toBeNull();
  const asked = await askGpu('x', { CUDA_VISIBLE_DEVICES: '3,1' });
  expect(asked).toBeNull();
});
