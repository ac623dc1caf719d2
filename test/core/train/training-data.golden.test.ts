import { describe, expect, test } from 'vitest';
import { checkAugmentation, checkSchedules } from '../../golden/check/check-training-data.ts';
import { openGolden } from '../../golden/check/manifest.ts';
import { goldenFolder } from '../../golden-folder.ts';

const golden = openGolden(goldenFolder());

describe('from the numbers that the original drew', async () => {
  const rows = await checkAugmentation(golden);

  test('there are eight images, in eight stages, and no number is left', () => {
    expect(rows).toHaveLength(8 * 9);
  });

  test.each(rows)('$what: the same bytes', ({ verdict }) => {
    expect(verdict).toBe('ok');
  });
});

describe('the schedules of the original', () => {
  test.each(checkSchedules(golden))('$what', ({ verdict, error }) => {
    expect({ verdict, error }).toMatchObject({ verdict: 'ok' });
  });
});
