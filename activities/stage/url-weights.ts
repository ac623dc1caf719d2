import { BadInput } from '../../core/config/failures.ts';
import { persistently, probe, type Remote } from '../http-remote.ts';
import { downloadUrl } from './download-url.ts';
import { openFile } from './file-weights.ts';
import { discardPartial } from './partial-file.ts';
import type { WeightsContext, WeightsSource } from './weights-source.ts';

/** A checkpoint behind a URL, which is downloaded when it is opened. @throws as `probe` */
export async function urlWeights(source: string, context: WeightsContext): Promise<WeightsSource> {
  const { scratchFolder, store } = context;
  const url = parseUrl(source);
  const name = `${url.origin}${url.pathname}`;
  if (!scratchFolder)
    throw new BadInput(`${name}: there is no scratch folder to download to; stage a file instead`);
  const remote = await persistently(() => probe(url, name, context.signal), context);
  return {
    record: recordOf(name, remote),
    sizeBytes: remote.sizeBytes,
    isDownloaded: true,
    open: async (onBytes) => {
      const { file, remote: downloaded } = await downloadUrl(
        { url, name, remote, scratchFolder },
        { ...context, onBytes },
      );
      return {
        ...(await openFile(file, name, store)),
        record: recordOf(name, downloaded),
        discard: () => discardPartial(file),
      };
    },
  };
}

function recordOf(uri: string, { etag, sizeBytes }: Remote) {
  return etag === null ? null : { uri, etag, sizeBytes };
}

function parseUrl(source: string): URL {
  if (!URL.canParse(source)) throw new BadInput(`${source}: not a valid URL`);
  const url = new URL(source);
  if (url.username || url.password)
    throw new BadInput(
      `${url.origin}${url.pathname}: a password in the URL would be kept in the workflow's history; use a signed URL`,
    );
  url.hash = '';
  return url;
}
