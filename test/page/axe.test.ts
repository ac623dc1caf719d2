import { describe, expect, it } from 'vitest';
import { axeFindings } from './axe.ts';
import { hasBrowser, useBrowser } from './browser.ts';
import { PAGES } from './pages.ts';

describe.skipIf(!hasBrowser).each(Object.entries(PAGES))(
  'axe finds nothing wrong in the page of a %s',
  (_, make) => {
    const open = useBrowser();

    it('in light and dark, on a phone, and printed', async () => {
      const html = await make();
      for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { width: 390 }] as const) {
        const { page } = await open(html, options);
        expect(await axeFindings(page), JSON.stringify(options)).toEqual([]);
        if (!('width' in options)) {
          await page.emulateMedia({ media: 'print' });
          expect(await axeFindings(page), `${JSON.stringify(options)}, printed`).toEqual([]);
        }
        await page.close();
      }
    });
  },
);
