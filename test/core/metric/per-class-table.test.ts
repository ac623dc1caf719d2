import { expect, it } from 'vitest';
import { perClassTable } from '../../../core/metric/per-class-table.ts';

it('prints the tables as mmseg does', () => {
  const pixels = { labelPixels: 1, predictedPixels: 1, intersectionPixels: 1 };
  const table = perClassTable({
    metrics: { aAcc: 0.8352, mIoU: 0.4263, mAcc: 1 },
    perClass: [
      { class: 0, name: 'wall', IoU: 0.76541, Acc: 0.9, ...pixels },
      { class: 1, name: 'bed ', IoU: null, Acc: null, ...pixels },
      { class: 2, name: 'chest of drawers', IoU: 0, Acc: 1, ...pixels },
    ],
  });
  expect(table).toBe(`per class results:

+------------------+-------+--------+
|      Class       |  IoU  |  Acc   |
+------------------+-------+--------+
|       wall       | 76.54 | 90.00  |
|       bed        |  nan  |  nan   |
| chest of drawers |  0.00 | 100.00 |
+------------------+-------+--------+

Summary:

+-------+-------+--------+
|  aAcc |  mIoU |  mAcc  |
+-------+-------+--------+
| 83.52 | 42.63 | 100.00 |
+-------+-------+--------+
`);
});
