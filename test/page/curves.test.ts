import { describe, expect, it } from 'vitest';
import { renderTraining } from '../../activities/publish/report/training/render-training.tsx';
import { hasBrowser, useBrowser } from './browser.ts';
import { trainingResults } from './training-results.ts';

/** A training with two heads. */
async function trainingPage(): Promise<string> {
  const { results, records } = await trainingResults();
  const both = records.map((record) => ({ ...record, 'aux.loss_ce': 2 * record.loss }));
  return renderTraining({ results, records: both, reproduce: [] });
}

describe.skipIf(!hasBrowser)('the curves of a training', () => {
  const open = useBrowser();

  it('tell step and values of the point nearest to the mouse', async () => {
    const { page, complaints } = await open(await trainingPage());
    const { results } = await trainingResults();
    const curve = page.locator('.curve', { hasText: 'mIoU' }).first();
    const dot = (await curve.locator('svg [aria-label="dot"] circle').nth(3).boundingBox())!;
    await page.mouse.move(dot.x + 6, dot.y + 40);
    const { step, mIoU } = results.evaluations[3]!;
    expect(await curve.locator('output').textContent()).toBe(
      `step ${step}: ${Number((100 * mIoU!).toPrecision(5))}`,
    );
    // Its mark lies on the point.
    const mark = (await curve.locator('svg circle').last().boundingBox())!;
    expect(mark.x + mark.width / 2).toBeCloseTo(dot.x + dot.width / 2, 0);
    expect(mark.y + mark.height / 2).toBeCloseTo(dot.y + dot.height / 2, 0);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('answer to the keyboard, in words as well', async () => {
    const { page } = await open(await trainingPage());
    const probe = page.getByLabel('Step of mIoU');
    await probe.focus();
    await page.keyboard.press('Home');
    expect(await probe.getAttribute('aria-valuetext')).toMatch(/^step 10000: /);
    await page.keyboard.press('ArrowRight');
    expect(await probe.getAttribute('aria-valuetext')).toMatch(/^step 20000: /);
    await page.close();
  });

  it('hide a line that is switched off in the legend', async () => {
    const { page } = await open(await trainingPage());
    const curve = page.locator('.curve').first();
    const said = curve.locator('output');
    expect(await said.textContent()).toMatch(/^step 80000: decode head .+, auxiliary head /);
    const key = curve.getByRole('button', { name: 'auxiliary head' });
    await key.click();
    expect(await key.getAttribute('aria-pressed')).toBe('false');
    expect(await said.textContent()).toMatch(/^step 80000: [\d.]+$/);
    expect(await curve.locator('svg [aria-label="line"]:visible').count()).toBe(1);
    await page.close();
  });
});
