import { type Notice, type Notify, NotifySchema, type RunEnd } from '../../core/config/notify.ts';
import { applyTo } from '../../core/config/overrides.ts';
import { parseAs } from '../../core/config/parse.ts';
import { addressOf, post, refusal } from '../receiver.ts';
import { noticeText } from './notice-text.ts';

const FIELD = 'run.notify';

/**
 * Posts a run's end to whom its config names.
 *
 * @throws BadInput if the notice can't be delivered (a refusal, a variable that isn't set), Unavailable if it may succeed later.
 *   No message holds the address: it may be a secret
 */
export async function notify({ asked, notice }: RunEnd, env: NodeJS.ProcessEnv): Promise<void> {
  const settings = notifyOf(asked);
  if (!settings) return;
  const url = addressOf({ address: settings.url, variable: settings.urlFrom?.env }, FIELD, env);
  const unsaid: Omit<Notice, 'text'> = { version: 1, event: 'run-ended', ...notice };
  await send(url, { text: noticeText(unsaid), ...unsaid });
}

/** What a config says of it, with its overrides. */
function notifyOf({ notify: given, overrides }: RunEnd['asked']): Notify | null {
  const holder: { run: { notify?: unknown } } = { run: given === undefined ? {} : { notify: given } };
  applyTo(holder, overrides);
  const { notify: settings } = holder.run;
  return settings === undefined || settings === null ? null : parseAs(NotifySchema, settings, FIELD);
}

async function send(url: URL, notice: Notice): Promise<void> {
  const answer = await post(url, { field: FIELD, body: notice });
  await answer.body?.cancel();
  if (!answer.ok) throw refusal(answer, url, FIELD);
}
