import { BadInput, Unavailable } from '../../core/config/failures.ts';
import { type Notice, type Notify, NotifySchema, type RunEnd } from '../../core/config/notify.ts';
import { applyTo } from '../../core/config/overrides.ts';
import { parseAs } from '../../core/config/parse.ts';
import { noticeText } from './notice-text.ts';

/** A receiver that takes longer is asked again. */
const ANSWER_WITHIN_MS = 10_000;

/**
 * Posts a run's end to whom its config names.
 *
 * @throws BadInput if nobody can be told (a refusal, a variable that isn't set), Unavailable if it may succeed later.
 *   No message holds the address: it may be a secret
 */
export async function notify({ asked, notice }: RunEnd, env: NodeJS.ProcessEnv): Promise<void> {
  const settings = notifyOf(asked);
  if (!settings) return;
  const url = addressOf(settings, env);
  const unsaid: Omit<Notice, 'text'> = { version: 1, event: 'run-ended', ...notice };
  await post(url, { text: noticeText(unsaid), ...unsaid });
}

/** What a config says of it, with its overrides. */
function notifyOf({ notify: given, overrides }: RunEnd['asked']): Notify | null {
  const holder: { run: { notify?: unknown } } = { run: given === undefined ? {} : { notify: given } };
  applyTo(holder, overrides);
  const { notify: settings } = holder.run;
  return settings === undefined || settings === null ? null : parseAs(NotifySchema, settings, 'run.notify');
}

function addressOf({ url, urlFrom }: Notify, env: NodeJS.ProcessEnv): URL {
  if (url !== undefined) return new URL(url);
  const name = urlFrom!.env;
  const text = env[name];
  if (!text) throw new BadInput(`run.notify: ${name} is not set in the control worker's environment`);
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new BadInput(
      `run.notify: ${name} of the control worker's environment holds no http:// or https:// address`,
    );
  return new URL(text);
}

async function post(url: URL, notice: Notice): Promise<void> {
  // fetch refuses credentials in an address.
  const { username, password, host } = url;
  const target = new URL(url);
  target.username = '';
  target.password = '';
  const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
    'base64',
  );
  const answer = await fetch(target, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(username || password ? { authorization: `Basic ${basic}` } : {}),
    },
    body: JSON.stringify(notice),
    // Elsewhere than where it was meant to go, a notice is lost.
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error: unknown) => {
    const { cause } = error as Error;
    throw new Unavailable(
      `run.notify: ${host} did not answer: ${cause instanceof Error ? cause.message : error}`,
    );
  });
  await answer.body?.cancel();
  if (answer.ok) return;
  const message = `run.notify: ${host} answered ${answer.status} ${answer.statusText}`.trimEnd();
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408) throw new Unavailable(message);
  throw new BadInput(message);
}
