import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasBrowser = existsSync(executablePath);
if (!hasBrowser) console.warn(`page tests are skipped: no Chromium at ${executablePath} (set CHROMIUM)`);

/** Chromium itself asks for nothing either: no updates, no sync, no QUIC. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface OpenedPage {
  page: Page;
  /** What the console and the page's own errors said. */
  complaints: string[];
  /** What was asked for beside the page itself. */
  foreign(): string[];
}

/** A browser for the tests of a `describe`, which shows pages from a folder of its own. */
export function useBrowser() {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: QUIET });
    folder = await mkdtemp(join(tmpdir(), 'tessera-page-'));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  return async function open(
    html: string,
    options: { colorScheme?: 'light' | 'dark'; width?: number; javaScriptEnabled?: boolean } = {},
  ): Promise<OpenedPage> {
    const file = join(folder, `page-${Math.trunc(performance.now() * 1000)}.html`);
    await writeFile(file, html);
    const page = await browser.newPage({
      javaScriptEnabled: options.javaScriptEnabled ?? true,
      colorScheme: options.colorScheme ?? 'light',
      viewport: { width: options.width ?? 1200, height: 900 },
    });
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    const url = pathToFileURL(file).href;
    await page.goto(url);
    return { page, complaints, foreign: () => requests.filter((r) => r !== url && !r.startsWith('data:')) };
  };
}
