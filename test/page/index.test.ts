import { describe, expect, it } from 'vitest';
import { hasBrowser, useBrowser } from './browser.ts';
import { PAGES } from './pages.ts';

describe.skipIf(!hasBrowser)('index.html in a browser', () => {
  const open = useBrowser();

  it('folds parts of other runs away, and finds them by any of their words', async () => {
    const { page, complaints, foreign } = await open(await PAGES.index!());
    const rows = page.locator('#runs tbody tr:visible');
    expect(await rows.count()).toBe(6);
    await page.getByLabel('Show 1 that are parts of others').check();
    expect(await rows.count()).toBe(7);
    await page.getByLabel('Filter runs by words').fill('training vision');
    expect(await rows.locator('a').allTextContents()).toEqual(['probe']);
    expect(complaints).toEqual([]);
    expect(foreign()).toEqual([]);
    await page.close();
  });

  it('links to pages beside itself, sorts by mIoU with tables last, and names what is no run', async () => {
    const { page } = await open(await PAGES.index!());
    expect(await page.locator('#runs tbody a').first().getAttribute('href')).toBe('upernet-full/report.html');
    await page.locator('#runs thead button', { hasText: 'mIoU' }).click();
    await page.waitForFunction(() =>
      document.querySelector('#runs tbody tr:first-child [data-sort="0.5894"]'),
    );
    const values = await page.locator('#runs tbody tr > :nth-child(3)').allTextContents();
    expect(values.slice(-2)).toEqual(['–', '–']);
    expect(await page.locator('#not-read').textContent()).toContain('it names no run');
    await page.close();
  });

  it('never scrolls sideways on a phone', async () => {
    const { page } = await open(await PAGES.index!(), { width: 390 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.close();
  });
});
