import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { ade20k } from '../activities/publish/publish-input.ts';
import { hasBrowser, useBrowser } from './browser.ts';
import { publishedReport } from './report-page.ts';

const shownRows = (page: Page) => page.locator('.classes tbody tr:visible').count();

describe.skipIf(!hasBrowser)('the class table’s tools', () => {
  const open = useBrowser();

  it('fold away classes without a value until they are asked for', async () => {
    const { page } = await open(await publishedReport(0));
    expect(await shownRows(page)).toBe(148);
    await page.getByLabel('Show 2 without a value').check();
    expect(await shownRows(page)).toBe(150);
    await page.close();
  });

  it('find classes by parts of their names, folded ones as well, and count them', async () => {
    const { page, complaints } = await open(await publishedReport(0));
    const input = page.getByLabel('Filter classes by name');
    await input.fill('TREE');
    const names = await page.locator('.classes tbody tr:visible th').allTextContents();
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(name).toContain('tree');
    expect(await page.locator('#classes .tools output').first().textContent()).toBe(`${names.length} of 150`);
    // The last class has no value.
    await input.fill(ade20k.classes.at(-1)!.name);
    expect(await shownRows(page)).toBeGreaterThan(0);
    await input.fill('');
    expect(await shownRows(page)).toBe(148);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('copy the metrics and the classes for an issue and for a paper', async () => {
    const { page } = await open(await publishedReport(0));
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const copied = async (part: string, format: string) => {
      await page.locator(`${part} .copy`).getByRole('button', { name: format }).click();
      await page.locator(`${part} .copy output`, { hasText: `${format} copied` }).waitFor();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    expect(await copied('header', 'Markdown')).toMatch(/\| mIoU \| mAcc \| aAcc \| original mIoU \|/);
    expect(await copied('header', 'LaTeX')).toContain('\\toprule');
    expect((await copied('#classes', 'Markdown')).match(/^\| /gm)).toHaveLength(152);
    expect(await copied('#classes', 'LaTeX')).toContain('\\bottomrule');
    await page.close();
  });

  it('keep the page whole with names as long as a line', async () => {
    const name = 'a-name-without-a-place-to-break-at'.repeat(5);
    const classes = { ...ade20k, classes: ade20k.classes.map((entry) => ({ ...entry, name })) };
    for (const width of [390, 1200]) {
      const { page } = await open(await publishedReport(0, { classes }), { width });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const [table, frame] = await page
        .locator('.classes')
        .evaluate((node) => [node.scrollWidth, node.parentElement!.clientWidth]);
      expect(table).toBeLessThanOrEqual(frame!);
      await page.close();
    }
  });
});
