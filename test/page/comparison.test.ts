import { describe, expect, it } from 'vitest';
import { renderComparison } from '../../activities/publish/report/comparison/render-comparison.tsx';
import { compareRuns } from '../../core/metric/compare-runs.ts';
import { hasBrowser, useBrowser } from './browser.ts';
import { comparedRuns } from './comparison.ts';
import { contrastRatios } from './contrast.ts';

const [a, b] = await comparedRuns();
const comparison = compareRuns(a, [b], { resamples: 300, seed: 1, confidence: 0.95 });
const html = renderComparison(comparison);

describe.skipIf(!hasBrowser)('the page of a comparison in a browser', () => {
  const open = useBrowser();

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    it('shows every class that has a difference, asks for nothing and complains about nothing', async () => {
      const { page, complaints, foreign } = await open(html, { colorScheme });
      const defined = comparison.comparisons[0]!.perClass.filter(({ difference }) => difference !== null);
      expect(await page.locator('tbody tr').count()).toBe(defined.length);
      expect(await page.locator('tbody b').count()).toBe(
        defined.filter(({ significant }) => significant).length,
      );
      await page.getByRole('button', { name: 'Difference' }).click();
      expect(complaints).toEqual([]);
      expect(foreign()).toEqual([]);
      for (const selector of ['h1', '.lead', 'thead button', 'tbody td', 'tbody th', 'dt', 'dd']) {
        const ratios = await page.locator(selector).evaluateAll(contrastRatios);
        expect(Math.min(...ratios), selector).toBeGreaterThanOrEqual(4.5);
      }
      await page.close();
    });
  });

  it('draws each interval about 0: those that exclude it lie on one side', async () => {
    const { page } = await open(html);
    const lines = await page
      .locator('tbody svg')
      .evaluateAll((drawings) =>
        drawings.map((drawing) =>
          [...drawing.querySelectorAll('line')].map((line) => Number(line.getAttribute('x1'))),
        ),
      );
    expect(lines.length).toBeGreaterThan(50);
    const sides = lines.map(([zero, low]) => low! > zero!);
    const { perClass } = comparison.comparisons[0]!;
    const positive = perClass.filter(({ difference, interval }) => difference !== null && interval !== null);
    expect(sides).toEqual(positive.map(({ interval }) => interval![0] > 0));
    await page.close();
  });

  it('never scrolls sideways on a phone', async () => {
    const { page } = await open(html, { width: 390 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.close();
  });
});
