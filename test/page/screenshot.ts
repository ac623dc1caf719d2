/**
 * Takes the README's picture of an evaluation's page: npx tsx test/page/screenshot.ts report.html docs/report.png
 *
 * Headline, the first classes and the samples' viewer; what lies between them is left out.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const WIDTH = 1160;
const SHORTENED = `
  #confusions, nav, #overlays .legend, #overlays .more, .overlays { display: none }
  main > section { margin-top: 30px }
  .tall { max-height: 221px }
  .viewer { --ratio: 0.78 !important }
  main { padding-bottom: 24px }
`;

const [report, picture] = process.argv.slice(2);
if (!report || !picture)
  throw new Error('expected the page and the picture: screenshot.ts report.html docs/report.png');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
});
const page = await browser.newPage({ viewport: { width: WIDTH, height: 900 }, deviceScaleFactor: 1.25 });
await page.goto(pathToFileURL(path.resolve(report)).href);
await page.evaluate((css) => {
  const style = document.createElement('style');
  style.textContent = css;
  document.head.append(style);
}, SHORTENED);
await page.locator('.pane img').first().waitFor();
const { y, height } = (await page.locator('#overlays').boundingBox())!;
const shot = await page.screenshot({
  fullPage: true,
  clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(y + height) + 24 },
});
await browser.close();
await writeFile(picture, await sharp(shot).png({ palette: true, quality: 90, effort: 10 }).toBuffer());
