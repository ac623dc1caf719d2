import { BadInput, Unavailable } from '../core/config/failures.ts';

/* Receivers that a run's config names. No message holds an address: it may be a secret. */

/** A receiver that takes longer is asked again. */
const ANSWER_WITHIN_MS = 10_000;

/**
 * An address as a config gives it, or the variable that it names.
 *
 * @param field what messages begin with, such as `run.notify`
 * @throws BadInput if the variable isn't set or holds none
 */
export function addressOf(
  { address, variable }: { address?: string | undefined; variable?: string | undefined },
  field: string,
  env: NodeJS.ProcessEnv,
): URL {
  if (address !== undefined) return new URL(address);
  const text = env[variable!];
  if (!text) throw new BadInput(`${field}: ${variable} is not set in the control worker's environment`);
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new BadInput(
      `${field}: ${variable} of the control worker's environment holds no http:// or https:// address`,
    );
  return new URL(text);
}

/** Posts JSON to a receiver; credentials in the address go into a header. @throws Unavailable if it doesn't answer */
export async function post(
  url: URL,
  { field, body, token }: { field: string; body: unknown; token?: string | undefined },
): Promise<Response> {
  // fetch refuses credentials in an address.
  const { username, password, host } = url;
  const target = new URL(url);
  target.username = '';
  target.password = '';
  const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
    'base64',
  );
  const authorization = token ? `Bearer ${token}` : username || password ? `Basic ${basic}` : null;
  return fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
    body: JSON.stringify(body),
    // Elsewhere than where it was meant to go, a message is lost.
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error: unknown) => {
    const { cause } = error as Error;
    throw new Unavailable(
      `${field}: ${host} did not answer: ${cause instanceof Error ? cause.message : error}`,
    );
  });
}

/** The failure that an answer stands for: one that may pass, or not. */
export function refusal(
  { status, statusText }: Response,
  { host }: URL,
  field: string,
  detail = '',
): BadInput | Unavailable {
  const message =
    `${field}: ${host} answered ${status} ${statusText}`.trimEnd() + (detail ? `: ${detail}` : '');
  const mayPass = status >= 500 || status === 429 || status === 408;
  return mayPass ? new Unavailable(message) : new BadInput(message);
}
