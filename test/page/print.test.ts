import { describe, expect, it } from 'vitest';
import { hasBrowser, useBrowser } from './browser.ts';
import { PAGES } from './pages.ts';

/** A4 without its margins, in CSS pixels. */
const PAPER_PX = Math.floor(((210 - 2 * 13) * 96) / 25.4);

describe.skipIf(!hasBrowser)('a printed page', () => {
  const open = useBrowser();

  it.each(Object.entries(PAGES))(
    'of a %s cuts nothing, and leaves out what is for the hand',
    async (_, make) => {
      const { page } = await open(await make(), { width: PAPER_PX, colorScheme: 'dark' });
      await page.emulateMedia({ media: 'print' });
      const cut = await page.locator('body, main, .scroll, .card, svg, img, td, th').evaluateAll((all) =>
        all
          .filter((node) => node.getClientRects().length > 0 && !node.closest('.hidden, thead span'))
          .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
          .map((node) => `${node.tagName} ${node.className} ${node.textContent?.slice(0, 40)}`),
      );
      expect(cut).toEqual([]);
      const hidden = await page
        .locator('.scroll')
        .evaluateAll((all) => all.filter((node) => getComputedStyle(node).overflowY !== 'visible').length);
      expect(hidden).toBe(0);
      for (const control of await page.locator('nav, .tool, .viewer, input, select').all())
        expect(await control.isVisible()).toBe(false);
      await page.close();
    },
  );

  it('is A4 in the colours of the light page, with folded rows folded', async () => {
    const { page } = await open(await PAGES.evaluation!(), { colorScheme: 'dark' });
    const pdf = await page.pdf({ preferCSSPageSize: true });
    const [, width, height] = /MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf.toString('latin1'))!;
    expect([Number(width), Number(height)].map(Math.round)).toEqual([595, 842]);
    await page.emulateMedia({ media: 'print' });
    const { background, adjust } = await page.locator('body').evaluate((body) => {
      const style = getComputedStyle(body);
      return { background: style.backgroundColor, adjust: style.getPropertyValue('print-color-adjust') };
    });
    expect({ background, adjust }).toEqual({ background: 'rgb(255, 255, 255)', adjust: 'exact' });
    expect(await page.locator('.classes tbody tr:visible').count()).toBe(148);
    await page.close();
  });
});
