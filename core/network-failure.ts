import { BadInput, type TypedFailure, Unavailable } from './config/failures.ts';

interface Row {
  /** Of the error, as Node names it; a name that ends in `*` stands for all that begin so. */
  codes: string[];
  class: 'BadInput' | 'Unavailable';
  /** What it means, and what mends it. */
  means: string;
}

const CERTIFICATE = "the server's certificate is not trusted";

/** What an error of the network means. Only what may pass by itself is Unavailable. */
const ROWS: Row[] = [
  {
    codes: ['ENOTFOUND'],
    class: 'BadInput',
    means: 'no such host: check the address, and the DNS of this machine',
  },
  {
    codes: ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    class: 'BadInput',
    means: `${CERTIFICATE}: it is not valid at this time; renew it, or set this machine's clock`,
  },
  {
    codes: ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_*', 'CERT_UNTRUSTED'],
    class: 'BadInput',
    means: `${CERTIFICATE}: set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority`,
  },
  {
    codes: ['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'],
    class: 'BadInput',
    means: `${CERTIFICATE}: it is for another host name; use the name that it is for`,
  },
  { codes: ['CERT_*'], class: 'BadInput', means: `${CERTIFICATE}: renew it` },
  {
    codes: ['EPROTO', 'ERR_SSL_*'],
    class: 'BadInput',
    means: 'the server does not speak TLS here: use http:// or its TLS port',
  },
  {
    codes: ['HPE_*'],
    class: 'BadInput',
    means: 'the server does not speak HTTP here: check the port, and https:// instead of http://',
  },
  { codes: ['ERR_INVALID_URL'], class: 'BadInput', means: 'the address is no URL' },
  {
    codes: ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ETIMEDOUT', 'UND_ERR_*'],
    class: 'Unavailable',
    means: 'no server answers',
  },
  { codes: ['ECONNRESET', 'EPIPE'], class: 'Unavailable', means: 'the connection was lost' },
];

/**
 * What an error of DNS, TCP, TLS or HTTP means.
 *
 * @param what names the thing that was asked for, and where
 * @returns null for an error that is none of the network's
 */
export function networkFailure(what: string, error: unknown): TypedFailure | null {
  const cause = networkError(error);
  const row = cause && ROWS.find(({ codes }) => codes.some((code) => matches(code, cause.code)));
  if (!row) return null;
  const Failure = row.class === 'BadInput' ? BadInput : Unavailable;
  return new Failure(`${what}: ${row.means} (${cause.code}: ${cause.message})`, { cause: error });
}

/** Whether a host's name was not found: where it was found before, its DNS is away. */
export function isUnknownHost(error: unknown): boolean {
  return networkError(error)?.code === 'ENOTFOUND';
}

/** The error with Node's code in it: it is often the cause of another one, or the first of several addresses'. */
function networkError(error: unknown, depth = 0): { code: string; message: string } | null {
  if (!(error instanceof Error) || depth > 5) return null;
  if ('code' in error && typeof error.code === 'string') {
    const first = error instanceof AggregateError ? error.errors[0] : undefined;
    return { code: error.code, message: error.message || (first instanceof Error ? first.message : '') };
  }
  return networkError(error.cause, depth + 1);
}

function matches(pattern: string, code: string): boolean {
  return pattern.endsWith('*') ? code.startsWith(pattern.slice(0, -1)) : code === pattern;
}
