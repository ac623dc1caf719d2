import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A table's rows are alike: axe looks at so many. */
const ROWS = 20;

/** What axe finds wrong with a page, a line each. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page
    .locator(`tbody tr:nth-child(n + ${ROWS + 1})`)
    .evaluateAll((rows) => rows.map((row) => row.remove()));
  await page.evaluate(source);
  const results = await page.evaluate<AxeResults>('axe.run({ resultTypes: ["violations"] })');
  return results.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(' ')}: ${failureSummary}`),
  );
}
