import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { BadInput } from '../../core/config/failures.ts';
import { openStore } from '../session.ts';
import { terminal } from '../terminal.ts';
import { type FoundRun, findRun } from './find-run.ts';

export interface OpenOptions {
  print?: true;
  hours: string;
}

/** What runs, trainings and tables call their page. */
const PAGES = ['report.html', 'table.html'];
/** S3 signs for a week at most. */
const MAX_HOURS = 168;

/** Opens a run's page in the browser, or prints where it is. */
export async function openPage(name: string, { print, hours }: OpenOptions): Promise<void> {
  const run = await findRun(name);
  const address = await addressOf(run, await pageOf(run), expirySeconds(hours));
  if (!print && (await openInBrowser(address))) terminal().done(`${name} is opened in the browser`);
  console.log(address);
}

async function pageOf({ name, files, state }: FoundRun): Promise<string> {
  const names = new Set((await files.list()).map((object) => object.name));
  const page = PAGES.find((candidate) => names.has(candidate));
  if (!page) throw new BadInput(`${name}: ${state ?? `no page in ${files.folder}`}`);
  return page;
}

/** For S3 an address that anybody can read who has it, for a while. */
async function addressOf({ files }: FoundRun, page: string, expiresIn: number): Promise<string> {
  const uri = files.uriOf(page);
  if (files.kind === 'local') return pathToFileURL(uri).href;
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri)!;
  const { client } = await openStore();
  // Stored as a page already; a store that forgot shall not offer it as a download.
  const asPage = { ResponseContentType: 'text/html; charset=utf-8', ResponseContentDisposition: 'inline' };
  return getSignedUrl(client, new GetObjectCommand({ Bucket: Bucket!, Key: Key!, ...asPage }), { expiresIn });
}

function expirySeconds(hours: string): number {
  const value = Number(hours);
  if (!(value > 0 && value <= MAX_HOURS))
    throw new BadInput(`--hours: ${hours} should be more than 0, and at most ${MAX_HOURS}`);
  return Math.ceil(value * 3600);
}

/** @returns whether a browser was started: not without a display */
async function openInBrowser(address: string): Promise<boolean> {
  const [program, ...options] = opener() ?? [];
  if (!program) return false;
  const child = spawn(program, [...options, address], { stdio: 'ignore', detached: true });
  child.unref();
  return Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)]).catch(
    () => false,
  );
}

function opener(): string[] | null {
  if (process.env.BROWSER) return [process.env.BROWSER];
  if (process.platform === 'darwin') return ['open'];
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return process.env.DISPLAY || process.env.WAYLAND_DISPLAY ? ['xdg-open'] : null;
}
