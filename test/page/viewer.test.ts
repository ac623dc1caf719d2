import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { hasBrowser, useBrowser } from './browser.ts';
import { publishedReport } from './report-page.ts';

/** Zoom and place of the picture. */
const viewOf = (page: Page) =>
  page
    .locator('.world')
    .first()
    .evaluate((world) => {
      const { a, e, f } = new DOMMatrix(getComputedStyle(world).transform);
      return { zoom: a, x: e, y: f };
    });

describe.skipIf(!hasBrowser)('the viewer of samples', () => {
  const open = useBrowser();

  it('shows two layers of a sample with a divider, the errors where there are any', async () => {
    const { page, complaints, foreign } = await open(await publishedReport(2));
    await expect.poll(() => page.locator('.pane b').allTextContents()).toEqual(['truth', 'errors']);
    await page.getByLabel('Layer on the left').selectOption('prediction');
    await page.getByLabel('Layer on the right').selectOption('image');
    await expect.poll(() => page.locator('.pane b').allTextContents()).toEqual(['prediction', 'image']);
    await page.getByLabel('Divider between left and right').fill('20');
    const clip = await page
      .locator('.pane')
      .last()
      .evaluate((pane) => getComputedStyle(pane).clipPath);
    expect(clip).toBe('inset(0px 0px 0px 20%)');
    await page.getByRole('button', { name: 'Next sample' }).click();
    expect(await page.getByLabel('Sample', { exact: true }).inputValue()).toBe('1');
    expect(complaints).toEqual([]);
    expect(foreign()).toEqual([]);
    await page.close();
  });

  it('shows of each layer its own part of the overlay', async () => {
    const { page } = await open(await publishedReport(1));
    for (const layer of ['image', 'truth', 'prediction']) {
      await page.getByLabel('Layer on the left').selectOption(layer);
      await page.locator('.pane').first().locator('b', { hasText: layer }).waitFor();
      const left = await page
        .locator('.pane')
        .first()
        .locator('img')
        .evaluate((image) => {
          const stage = image.closest('.stage')!.getBoundingClientRect();
          const { left, width } = image.getBoundingClientRect();
          // In pixels of the overlay.
          return ((stage.left - left) * (image as HTMLImageElement).naturalWidth) / width;
        });
      expect(left).toBeCloseTo(['image', 'truth', 'prediction'].indexOf(layer) * 366, 0);
    }
    await page.close();
  });

  it('zooms and moves by keys, wheel and drag, and never past the picture', async () => {
    const { page } = await open(await publishedReport(1));
    const stage = page.locator('.stage');
    await stage.focus();
    await page.keyboard.press('+');
    expect((await viewOf(page)).zoom).toBeCloseTo(1.5);
    const before = await viewOf(page);
    await page.keyboard.press('ArrowRight');
    expect((await viewOf(page)).x).toBeCloseTo(before.x - 40);
    for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowLeft');
    expect((await viewOf(page)).x).toBe(0);

    const { x, y, width, height } = (await stage.boundingBox())!;
    await page.mouse.move(x + width / 4, y + height / 4);
    await page.mouse.wheel(0, -300);
    await expect.poll(async () => (await viewOf(page)).zoom).toBeGreaterThan(2);
    const zoomed = await viewOf(page);
    await page.mouse.down();
    await page.mouse.move(x + width / 4 - 30, y + height / 4 - 20);
    await page.mouse.up();
    const moved = await viewOf(page);
    expect([moved.x - zoomed.x, moved.y - zoomed.y].map(Math.round)).toEqual([-30, -20]);
    await page.keyboard.press('0');
    expect(await viewOf(page)).toEqual({ zoom: 1, x: 0, y: 0 });
    await page.close();
  });

  it('is not there without scripts, and the pictures are', async () => {
    const { page } = await open(await publishedReport(2), { javaScriptEnabled: false });
    expect(await page.locator('.viewer').isVisible()).toBe(false);
    expect(await page.locator('.tool.copy').first().isVisible()).toBe(false);
    expect(await page.locator('.overlays img:visible').count()).toBe(2);
    await page.close();
  });
});
