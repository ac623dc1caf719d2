import { expect, test } from 'vitest';
import { blockBenchText } from './block-bench.ts';

test('a block’s step is compared by medians of processor time', () => {
  const parts = [{ forward: 1, backward: 3, optimizer: 0.5 }];
  const text = blockBenchText({
    parameters: 122_918_400,
    torch: { seconds: [9, 8, 30], cpuSeconds: [12, 18, 15], parts, peakBytes: 3.5 * 2 ** 30 },
    ours: { seconds: [5, 40, 6], cpuSeconds: [10, 9, 30], parts, peakBytes: 3 * 2 ** 30 },
  });
  expect(text).toContain('one block, 122.92 M parameters');
  expect(text).toContain('PyTorch  15.00 s of processor time a step (12.00, 18.00, 15.00); wall time 9.00 s');
  expect(text).toContain('3.00 GiB at most');
  expect(text).toMatch(/1\.50 ×$/);
});
