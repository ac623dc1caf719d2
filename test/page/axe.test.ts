import { describe, expect, it } from 'vitest';
import { axeFindings } from './axe.ts';
import { hasBrowser, useBrowser } from './browser.ts';
import { PAGES } from './pages.ts';

const SHOWN = [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { width: 390 }] as const;

describe.skipIf(!hasBrowser)('axe finds nothing wrong, in light and dark, on a phone, and printed', () => {
  const open = useBrowser();

  it.each(Object.entries(PAGES))('in the page of: %s', async (_, make) => {
    const html = await make();
    for (const options of SHOWN) {
      const { page } = await open(html, options);
      expect(await axeFindings(page), JSON.stringify(options)).toEqual([]);
      await page.close();
    }
    const { page } = await open(html);
    await page.emulateMedia({ media: 'print' });
    expect(await axeFindings(page), 'printed').toEqual([]);
    await page.close();
  });
});
