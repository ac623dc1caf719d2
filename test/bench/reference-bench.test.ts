import { expect, test } from 'vitest';
import { comparisonText } from './reference-bench.ts';

test('the comparison gives ratios of medians, and how far the results are apart', () => {
  const text = comparisonText({
    images: 8,
    crops: 20,
    torch: '2.2.2',
    original: {
      imagesPerSecond: [0.2, 0.25, 0.1],
      forward: [40, 30, 44],
      mIoU: 0.5,
      aAcc: 0.75,
      predictedPixels: [100, 50, 0],
    },
    ours: {
      imagesPerSecond: [1, 0.5, 2],
      forward: [20, 25, 10],
      mIoU: 0.50001,
      aAcc: 0.75,
      predictedPixels: [98, 50, 2],
    },
  });
  expect(text).toContain('end to end 5.00 ×, backbone and head 2.00 ×');
  expect(text).toContain('mIoU differs by 1.0e-5; at least 2 of 150 pixels');
});
