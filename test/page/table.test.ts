import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { renderTable } from '../../activities/publish/table/render-table.tsx';
import { hasBrowser, useBrowser } from './browser.ts';
import { contrastRatios } from './contrast.ts';
import { publishedTable } from './published-table.ts';

describe.skipIf(!hasBrowser)('table.html in a browser', () => {
  const open = useBrowser();

  describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
    it('shows every row, asks the network for nothing and complains about nothing', async () => {
      const table = await publishedTable();
      const { page, complaints, foreign } = await open(renderTable(table), { colorScheme });
      expect(await page.locator('#rows tbody tr').count()).toBe(table.rows.length);
      expect(await page.locator('#failed dd').allTextContents()).toEqual([
        expect.stringMatching(/^BadInput: s3:.* does not exist$/),
      ]);
      await sortBy(page, 'Points');
      expect(complaints).toEqual([]);
      expect(foreign()).toEqual([]);
      await page.close();
    });

    it('has text that stands out from its background', async () => {
      const { page } = await open(renderTable(await publishedTable()), { colorScheme });
      for (const selector of [
        'h1',
        '.lead',
        'thead button',
        'tbody td',
        'tbody a',
        'tbody small',
        'dt',
        'dd',
      ]) {
        const ratios = await page.locator(selector).evaluateAll(contrastRatios);
        expect(ratios.length, selector).toBeGreaterThan(0);
        expect(Math.min(...ratios), selector).toBeGreaterThanOrEqual(4.5);
      }
      await page.close();
    });
  });

  it('never scrolls sideways on a phone', async () => {
    const { page } = await open(renderTable(await publishedTable()), { width: 390 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    // Were the frame of the rows no wider inside than outside, nothing would have been held back.
    const frame = page.locator('#rows .scroll');
    expect(await frame.evaluate(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)).toBe(true);
    await page.close();
  });

  it('links to the page of each row that is done, beside its own, and to its own parts', async () => {
    const table = await publishedTable();
    const { page } = await open(renderTable(table));
    const hrefs = (selector: string) =>
      page.locator(selector).evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    const done = table.rows.filter(({ outcome }) => outcome.kind !== 'failed');
    expect(await hrefs('#rows tbody a')).toEqual(
      done.map(({ workflowId }) => `rows/${workflowId}/report.html`),
    );
    const parts = (await hrefs('nav a')).map((href) => href!);
    expect(parts).toEqual(['#rows', '#failed', '#inputs']);
    for (const part of parts) expect(await page.locator(part).count(), part).toBe(1);
    await page.close();
  });

  it('sorts rows by what a column counts, not by how that is written', async () => {
    const { page } = await open(renderTable(await publishedTable()));
    const steps = async () =>
      (await page.locator('#rows tbody tr > :nth-child(6)').allTextContents())
        .map((text) => Number(text.replace(/\D/g, '')))
        .filter((number) => number > 0);
    const ascending = (await steps()).toSorted((a, b) => a - b);
    expect(new Set(ascending).size).toBeGreaterThan(3);
    await sortBy(page, 'Steps');
    expect(await steps()).toEqual(ascending.toReversed());
    await sortBy(page, 'Steps');
    expect(await steps()).toEqual(ascending);
    await page.close();
  });
});

/** Clicks a column's name and waits until the rows have moved. */
async function sortBy(page: Page, name: string): Promise<void> {
  const sorted = page.evaluate(
    () => new Promise((resolve) => document.addEventListener('sort-end', resolve, { once: true })),
  );
  await page.locator('#rows thead button', { hasText: new RegExp(`^${name}$`) }).click();
  await sorted;
}
