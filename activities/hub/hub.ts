import { findHubFile, type HubCheckpoint, openHubCheckpoint, readHubFile } from './hub-checkpoint.ts';
import { type HubSettings, hubClient, uriOf } from './hub-client.ts';

/** An index of a large model has a megabyte. */
const MAX_OPENED = 20;

/** The Hugging Face Hub, or a server like it, as far as Tessera reads it. */
export interface Hub {
  /**
   * Opens a checkpoint, or gives the one of the same commit that was opened before.
   *
   * @param uri of a file or an index of shards, or of a repository or folder alone: then its weights are found
   * @throws BadInput if there is none or it may not be read; BadData if it is damaged; Unavailable
   */
  open(uri: string, signal?: AbortSignal): Promise<HubCheckpoint>;
  /** As `readHubFile`. */
  readFile(uri: string, signal?: AbortSignal): Promise<{ uri: string; bytes: Buffer }>;
}

export function openHub(settings: HubSettings): Hub {
  const client = hubClient(settings);
  // By addresses that name the commit. A training's evaluations ask for the same backbone eighty times.
  const opened = new Map<string, HubCheckpoint>();
  return {
    async open(uri, signal) {
      const atCommit = opened.get(uri);
      if (atCommit) return atCommit;
      const found = await findHubFile(client, uri, signal);
      const pinned = uriOf(found.file);
      const checkpoint = opened.get(pinned) ?? (await openHubCheckpoint(client, found, signal));
      opened.set(pinned, checkpoint);
      const [oldest] = opened.keys();
      if (opened.size > MAX_OPENED) opened.delete(oldest!);
      return checkpoint;
    },
    readFile: (uri, signal) => readHubFile(client, uri, signal),
  };
}
