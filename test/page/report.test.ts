import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { matrixMetrics } from '../../core/metric/metrics.ts';
import { ade20k, plausibleMatrix } from '../activities/publish/publish-input.ts';
import { hasBrowser, useBrowser } from './browser.ts';
import { contrastRatios } from './contrast.ts';
import { publishedReport } from './report-page.ts';

describe.skipIf(!hasBrowser)('report.html in a browser', () => {
  const open = useBrowser();

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    it('shows the metrics, asks the network for nothing and complains about nothing', async () => {
      const { page, complaints, foreign } = await open(await publishedReport(2), { colorScheme });
      const { mIoU } = matrixMetrics(plausibleMatrix());
      expect(await page.locator('.figure').first().textContent()).toContain((100 * mIoU!).toFixed(2));
      expect(
        await page
          .locator('.overlays img')
          .evaluateAll((all) => all.map((img) => (img as HTMLImageElement).naturalWidth > 0)),
      ).toEqual([true, true]);
      await sortBy(page, 'IoU');
      expect(complaints).toEqual([]);
      expect(foreign()).toEqual([]);
      await page.close();
    });

    it('has text that stands out from its background', async () => {
      const { page } = await open(await publishedReport(0), { colorScheme });
      const selectors = [
        'h1',
        '.lead',
        '.figure small',
        '.value',
        'thead button',
        '.heat tbody td',
        'a',
        'td.muted',
      ];
      for (const selector of selectors) {
        const ratios = await page.locator(selector).evaluateAll(contrastRatios);
        expect(ratios.length, selector).toBeGreaterThan(0);
        expect(Math.min(...ratios), selector).toBeGreaterThanOrEqual(4.5);
      }
      await page.close();
    });
  });

  it('sorts classes by number in both directions, with nan last in both', async () => {
    const { page } = await open(await publishedReport(0));
    await sortBy(page, 'IoU');
    const ascending = await column(page, 3);
    expect(ascending.slice(-2)).toEqual(['nan', 'nan']);
    const numbers = ascending.slice(0, -2).map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(await page.locator('.classes th[aria-sort]').textContent()).toContain('IoU');

    await sortBy(page, 'IoU');
    const descending = await column(page, 3);
    expect(descending.slice(-2)).toEqual(['nan', 'nan']);
    expect(descending.slice(0, -2)).toEqual(ascending.slice(0, -2).reverse());
    await page.close();
  });

  it('sorts by keyboard alone', async () => {
    const { page } = await open(await publishedReport(0));
    await page.locator('.classes thead button', { hasText: 'Label pixels' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('.classes th[aria-sort=ascending]'));
    expect((await column(page, 6))[0]).toBe('0');
    await page.close();
  });

  it('never scrolls sideways on a phone', async () => {
    const { page } = await open(await publishedReport(1), { width: 360 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(360);
    await page.close();
  });

  it('shows hostile names as text', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const classes = {
      ...ade20k,
      classes: ade20k.classes.map((c, i) => (i === 0 ? { ...c, name: hostile } : c)),
    };
    const { page, complaints } = await open(await publishedReport(0, { classes, reproduce: [hostile] }));
    expect(await page.title()).toBe('linear_probing_ade20k on ADE20K');
    expect(await page.locator('.classes tbody th').first().textContent()).toContain(hostile);
    expect(await page.locator('#reproduce pre').textContent()).toBe(hostile);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is below 300 kB without overlays', async () => {
    expect(Buffer.byteLength(await publishedReport(0))).toBeLessThan(300_000);
  });
});

/** Clicks a column's name and waits until the rows have moved. */
async function sortBy(page: Page, name: string) {
  const header = page.locator('.classes thead button', { hasText: new RegExp(`^${name}$`) });
  const sorted = page.evaluate(
    () => new Promise((resolve) => document.addEventListener('sort-end', resolve, { once: true })),
  );
  await header.click();
  await sorted;
}

/** Texts of the class table's n-th column, from 1. */
function column(page: Page, n: number): Promise<string[]> {
  return page.locator(`.classes tbody tr > :nth-child(${n})`).allTextContents();
}
