import { BadData, BadInput, NotFound, TypedFailure, Unavailable } from '../config/failures.ts';
import { isUnknownHost, networkFailure } from '../network-failure.ts';
import { ForeignAnswer, type StoreAnswer, shortened, storeAnswer } from './answer.ts';
import { type Asked, ROWS, type Row } from './failure-table.ts';

/**
 * What a failed call means to the user: the object or bucket, what the store said, and what to do.
 * What would be the same in a minute is BadInput or BadData; what may pass by itself is Unavailable.
 */
export function s3Failure(error: unknown, asked: Asked): TypedFailure {
  if (error instanceof TypedFailure) return error;
  const { uri } = asked;
  if (error instanceof ForeignAnswer) return foreignFailure(error, asked);
  const answer = storeAnswer(error);
  if (answer) return answerFailure(answer, error, asked);
  const credentials = credentialsFailure(error, asked);
  if (credentials) return credentials;
  const network = networkFailure(
    `${uri}: S3 did not answer${asked.endpoint ? ` at ${asked.endpoint}` : ''}`,
    error,
  );
  // A name that was found before is one that its DNS doesn't answer for now.
  if (network && asked.hasAnswered && isUnknownHost(error))
    return new Unavailable(network.message, { cause: error });
  const detail = error instanceof Error ? error.message || error.name : String(error);
  return network ?? new Unavailable(`${uri}: S3 did not answer as it should: ${detail}`, { cause: error });
}

function answerFailure(answer: StoreAnswer, cause: unknown, asked: Asked): TypedFailure {
  const { code, status = 0, message } = answer;
  const { uri } = asked;
  const bucket = bucketOf(uri);
  if (code === 'NoSuchBucket') return new NotFound('bucket', bucket, { cause });
  if (isElsewhere(answer)) return elsewhereFailure(answer, cause, asked);
  if (status === 405 && answer.isDeleteMarker)
    return new BadData(`${uri}: the version that was planned with is deleted; start the run again`, {
      cause,
    });
  const row =
    ROWS.find((each) => fits(each, answer, 'code')) ?? ROWS.find((each) => fits(each, answer, 'status'));
  if (row && (status !== 404 || row.codes)) return failureOf(row, answer, cause, asked);
  if (status === 404) return new NotFound('object', uri, { cause });
  if (status >= 400 && status < 500)
    return new BadInput(
      `${uri}: the store refuses the request: ${[status, code, message].filter(Boolean).join(' ')}`,
      { cause },
    );
  const words = message || code || `status ${status}`;
  const wait = answer.retryAfterMs;
  return unavailable(`${uri}: S3 did not answer as it should: ${words}`, wait, cause);
}

/** Whether a bucket was asked for at the wrong endpoint, or by a signature for the wrong region. */
function isElsewhere({ code, status, region, message }: StoreAnswer): boolean {
  if (code === 'PermanentRedirect' || code === 'IllegalLocationConstraintException') return true;
  if (code === 'AuthorizationHeaderMalformed') return region !== undefined || /region/i.test(message);
  return code === '' && (status === 301 || status === 400) && region !== undefined;
}

function elsewhereFailure(answer: StoreAnswer, cause: unknown, { uri, region, endpoint }: Asked): BadInput {
  const bucket = bucketOf(uri);
  if (answer.region === region)
    return new BadInput(
      `${bucket}: the bucket is not served at ${endpoint ?? 'this endpoint of AWS'}${inBrackets(answer)}: ` +
        'check AWS_ENDPOINT_URL_S3',
      { cause },
    );
  return new BadInput(
    `${bucket}: the bucket is in ${answer.region ?? 'another region'}, but ${region} is set${inBrackets(answer)}: ` +
      `set AWS_REGION=${answer.region ?? 'REGION'}, or the region of your AWS profile`,
    { cause },
  );
}

function fits({ codes, statuses, says }: Row, answer: StoreAnswer, by: 'code' | 'status'): boolean {
  if (by === 'status') return statuses?.includes(answer.status ?? 0) ?? false;
  const matches = (pattern: string) =>
    pattern.endsWith('*') ? answer.code.startsWith(pattern.slice(0, -1)) : answer.code === pattern;
  return (codes?.some(matches) ?? false) && (says?.test(answer.message) ?? true);
}

function failureOf(row: Row, answer: StoreAnswer, cause: unknown, asked: Asked): TypedFailure {
  const subject = row.of === 'bucket' ? bucketOf(asked.uri) : asked.uri;
  const what = typeof row.what === 'string' ? row.what : row.what(answer);
  const message = `${subject}: ${what}${inBrackets(answer)}${row.remedy ? `: ${row.remedy}` : ''}`;
  if (row.class === 'Unavailable') return unavailable(message, answer.retryAfterMs, cause);
  return row.class === 'BadData' ? new BadData(message, { cause }) : new BadInput(message, { cause });
}

function unavailable(message: string, retryAfterMs: number | undefined, cause: unknown): Unavailable {
  return new Unavailable(message, { cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** The store's own words, for who knows them. */
function inBrackets({ code, status, message }: StoreAnswer): string {
  const words = [code || (status ? String(status) : ''), message].filter(Boolean).join(': ');
  return words ? ` (${words})` : '';
}

/** Answers of what stands before the store, or in its place. */
function foreignFailure(error: ForeignAnswer, { uri, endpoint }: Asked): TypedFailure {
  const { httpStatusCode: status } = error.$metadata;
  const at = endpoint ?? 'AWS';
  const words = shortened(error.message, 120);
  const says = `${status}${words ? `, "${words}"` : ''}`;
  const options = { cause: error };
  if (status === 407 || status === 511)
    return new BadInput(
      `${uri}: a proxy or network before ${at} wants a sign-in (${says}): sign in there`,
      options,
    );
  if (/HTTP request (was sent )?to an? HTTPS|plain HTTP/i.test(words))
    return new BadInput(`${uri}: ${at} wants https:// in its address (${says})`, options);
  if (
    status === 429 ||
    status === 408 ||
    status === 425 ||
    (status >= 500 && status !== 501 && status !== 505)
  ) {
    const answer = storeAnswer(error);
    return unavailable(
      `${uri}: a proxy before ${at} answers instead of S3 (${says})`,
      answer?.retryAfterMs,
      error,
    );
  }
  return new BadInput(
    `${uri}: what answers at ${at} is not an S3 store (${says}): a network's sign-in page, a proxy, or a web server? ` +
      'Check AWS_ENDPOINT_URL_S3 and the network',
    options,
  );
}

const PROVIDERS = new Set(['CredentialsProviderError', 'TokenProviderError']);

/** Failures on the way to credentials; nothing was asked of the store yet. */
function credentialsFailure(error: unknown, { uri, hasAnswered }: Asked): TypedFailure | null {
  if (!(error instanceof Error)) return null;
  const options = { cause: error };
  const isFile = 'path' in error && 'code' in error && 'syscall' in error;
  if (isFile)
    return new BadInput(
      `${uri}: no S3 credentials: ${error.path} cannot be read (${error.code}): check AWS_WEB_IDENTITY_TOKEN_FILE and the ` +
        'files of the AWS profile',
      options,
    );
  if (!PROVIDERS.has(error.name)) return null;
  if (/expired|aws sso login/i.test(error.message))
    return new BadInput(`${uri}: no S3 credentials: ${shortened(error.message)}`, options);
  const message =
    `${uri}: no S3 credentials (${shortened(error.message)}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ` +
    'AWS_PROFILE, or a role';
  // They were there before: what gives them is away.
  return hasAnswered ? new Unavailable(message, options) : new BadInput(message, options);
}

function bucketOf(uri: string): string {
  return /^s3:\/\/[^/]+/.exec(uri)?.[0] ?? uri;
}
