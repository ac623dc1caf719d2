import { BadInput } from '../config/failures.ts';

/** What an `hf://org/name@revision/file` names. */
export interface HubUri {
  /** `org/name`. */
  repo: string;
  /** A branch, tag or commit; null for the main branch. */
  revision: string | null;
  /** Of a file in the repository; null for the repository alone. */
  file: string | null;
}

export const HUB_SCHEME = 'hf://';
/** Revisions with a slash are written with `%2F`, but for those of pull requests and conversions, as huggingface_hub has it. */
export const HUB_URI =
  /^hf:\/\/([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:@(refs\/(?:pr|convert)\/[\w.-]+|[^/@\s]+))?(?:\/(.+))?$/;
const EXPECTED = 'expected hf://org/name, hf://org/name@revision or hf://org/name@revision/file';
/** Kinds of repository that hold no models. */
const OTHER_KINDS = ['datasets', 'spaces', 'buckets'];
const COMMIT = /^[0-9a-f]{40}$/;

export function isHubUri(uri: string): boolean {
  return uri.startsWith(HUB_SCHEME);
}

/** @throws BadInput if it is none */
export function parseHubUri(uri: string): HubUri {
  const match = HUB_URI.exec(uri);
  const [, repo = '', revision = null, file = null] = match ?? [];
  if (!match || OTHER_KINDS.includes(repo.split('/')[0]!)) throw new BadInput(`${uri}: ${EXPECTED}`);
  if (file?.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw new BadInput(`${uri}: ${file} is no path of a file in a repository; ${EXPECTED}`);
  return { repo, revision: revision === null ? null : decoded(revision, uri), file };
}

/** Which revision never moves: a commit. */
export function isCommit(revision: string | null): revision is string {
  return revision !== null && COMMIT.test(revision);
}

export function hubUri({ repo, revision, file }: HubUri): string {
  const at =
    revision === null ? '' : `@${revision.startsWith('refs/') ? revision : encodeURIComponent(revision)}`;
  return `${HUB_SCHEME}${repo}${at}${file === null ? '' : `/${file}`}`;
}

function decoded(revision: string, uri: string): string {
  try {
    return decodeURIComponent(revision);
  } catch {
    throw new BadInput(`${uri}: its revision has a % that encodes nothing; ${EXPECTED}`);
  }
}
