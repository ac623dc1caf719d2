import { BadInput, type TypedFailure, Unavailable } from '../../core/config/failures.ts';
import { retryAfterMs, shortened } from '../../core/s3/answer.ts';

/** Of what an answer that is no success is. */
export interface Asked {
  /** The `hf://` address that messages name. */
  uri: string;
  repo: string;
  /** Where the model's page is. */
  endpoint: string;
  hasToken: boolean;
}

/** These may pass by themselves, as every 5xx: a timeout, "too early", "too many requests". */
const PASSING = new Set([408, 425, 429]);

/**
 * What an answer of the Hub means, in a sentence with the remedy. The Hub says what is wrong in `X-Error-Code`.
 *
 * @see huggingface_hub 1.0 `utils/_http.py` `hf_raise_for_status`
 */
export function hubFailure({ status, statusText, headers }: Response, asked: Asked): TypedFailure {
  const { uri, repo, endpoint, hasToken } = asked;
  const page = `${endpoint}/${repo}`;
  switch (headers.get('x-error-code')) {
    case 'GatedRepo':
      return new BadInput(
        hasToken
          ? `${uri}: the model is gated, and the account of HF_TOKEN has no access: accept the terms on ${page}, with that account`
          : `${uri}: the model is gated: accept the terms on ${page}, and set HF_TOKEN to a token of the account that did`,
      );
    case 'RepoNotFound':
      return notFound(asked);
    case 'RevisionNotFound':
      return new BadInput(`${uri}: the repository has no such branch, tag or commit: see ${page}/commits`);
    case 'EntryNotFound':
      return new BadInput(`${uri}: the repository has no such file at this revision: see ${page}/tree/main`);
    case 'DisabledRepo':
      return new BadInput(`${uri}: the Hub has disabled this repository: see ${page}`);
  }
  const words = headers.get('x-error-message');
  const answer =
    `the Hub answers ${status} ${statusText}`.trimEnd() + (words ? ` (${shortened(words)})` : '');
  if (status >= 500 || PASSING.has(status)) {
    const wait = retryAfterMs(headers.get('retry-after')) ?? resetMs(headers.get('ratelimit'));
    const remedy =
      status === 429 && !hasToken ? '; requests with an HF_TOKEN have a higher limit than those without' : '';
    return new Unavailable(`${uri}: ${answer}${remedy}`, wait === undefined ? {} : { retryAfterMs: wait });
  }
  if (status === 401 && hasToken)
    return new BadInput(
      `${uri}: the Hub does not take HF_TOKEN (${answer}): make a new one on ${endpoint}/settings/tokens`,
    );
  if (status === 401 || status === 404) return notFound(asked);
  if (status === 403)
    return new BadInput(
      `${uri}: ${answer}: HF_TOKEN may not read this repository; a fine-grained token needs read access to it`,
    );
  return new BadInput(`${uri}: ${answer}; check the address, and HF_ENDPOINT if it is set`);
}

/** The Hub does not reveal private repositories to others. */
function notFound({ uri, repo, endpoint, hasToken }: Asked): BadInput {
  return new BadInput(
    `${uri}: ${endpoint} has no repository ${repo}, or it is private: check the name` +
      (hasToken ? ', and that the account of HF_TOKEN may read it' : ', or set HF_TOKEN'),
  );
}

/** Of `RateLimit: "api";r=0;t=55`: seconds until requests are counted anew. */
function resetMs(header: string | null): number | undefined {
  const seconds = /;\s*t=(\d+)/.exec(header ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
