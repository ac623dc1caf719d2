import { expect, test } from 'vitest';
import { hasKernels } from '../../../core/config/gpus.ts';

test.for([
  ['7.5', true], // T4
  ['8.0', true], // A100
  ['8.6', true], // A10
  ['8.9', true], // L4, L40S
  ['9.0', true], // H100, H200
  ['12.0', true], // RTX PRO 6000
  ['12.1', true],
  ['7.0', false], // V100
  ['10.0', false], // B200
  ['10.3', false], // B300
  ['11.0', false],
] as const)('the provider’s kernels run on compute capability %s: %s', ([capability, expected]) => {
  expect(hasKernels(capability)).toBe(expected);
});
