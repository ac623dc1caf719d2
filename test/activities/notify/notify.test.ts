import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { noticeText } from '../../../activities/notify/notice-text.ts';
import { notify } from '../../../activities/notify/notify.ts';
import { NoticeSchema, NotifySchema, type RunEnd } from '../../../core/config/notify.ts';

const NOTICE: RunEnd['notice'] = {
  type: 'EvalMIoU',
  workflowId: 'w',
  runId: 'r',
  name: 'tiny',
  state: 'done',
  seconds: 12,
  startedAt: '2026-11-24T21:50:03.000Z',
  result: {
    mIoU: 0.3534,
    images: 100,
    resultsUri: 's3://b/r/results.json',
    reportUri: 's3://b/r/report.html',
  },
};

/** A receiver that gives these answers, one after the other. */
async function receiver(...answers: number[]) {
  const received: { path: string; headers: IncomingMessage['headers']; body: unknown }[] = [];
  const server = createServer(async (request, response) => {
    received.push({ path: request.url!, headers: request.headers, body: JSON.parse(await text(request)) });
    response.writeHead(answers.shift() ?? 200, { location: 'http://127.0.0.1:1/elsewhere' }).end('no news');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { received, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const asked = (settings: unknown, ...overrides: string[]): RunEnd => ({
  asked: { notify: settings, overrides },
  notice: NOTICE,
});

describe('a run’s end is posted', () => {
  test('as JSON with a text for chats and the result’s main fields', async () => {
    const { received, host } = await receiver();
    await notify(asked({ url: `http://${host}/hook?a=1` }), {});
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ path: '/hook?a=1', headers: { 'content-type': 'application/json' } });
    expect(NoticeSchema.parse(received[0]!.body)).toEqual({
      version: 1,
      event: 'run-ended',
      ...NOTICE,
      text: '✓ tiny (w): mIoU 35.34 %, 100 images, s3://b/r/report.html after 12 s',
    });
  });

  test('where a variable of the control worker says, with its credentials', async () => {
    const { received, host } = await receiver();
    const env = { TESSERA_NOTIFY_URL: `http://me:p%40ss@${host}/secret` };
    await notify(asked({ urlFrom: { env: 'TESSERA_NOTIFY_URL' } }), env);
    expect(received[0]!.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });

  test('where overrides say, and nowhere if nothing does', async () => {
    const { received, host } = await receiver();
    await notify(asked(undefined, `run.notify.url=http://${host}/`), {});
    await notify(asked(undefined), {});
    expect(received).toHaveLength(1);
  });
});

describe('what keeps it from being told is reported without the address', () => {
  test.each([
    [500, 'Unavailable', 'answered 500 Internal Server Error'],
    [429, 'Unavailable', 'answered 429'],
    [404, 'BadInput', 'answered 404 Not Found'],
    [302, 'BadInput', 'answered 302 Found'],
  ])('an answer of %i is %s', async (status, failureClass, said) => {
    const { host } = await receiver(status);
    const error = await notify(asked({ url: `http://${host}/hidden` }), {}).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ failureClass, message: expect.stringContaining(`${host} ${said}`) });
    expect(String(error)).not.toContain('hidden');
  });

  test('nobody there, and a variable that is not set or holds no address', async () => {
    await expect(notify(asked({ url: 'http://127.0.0.1:1/hidden' }), {})).rejects.toMatchObject({
      failureClass: 'Unavailable',
      message: expect.stringMatching(/^run\.notify: 127\.0\.0\.1:1 did not answer: /),
    });
    const settings = { urlFrom: { env: 'TESSERA_NOTIFY_URL' } };
    await expect(notify(asked(settings), {})).rejects.toThrow(
      'TESSERA_NOTIFY_URL is not set in the control worker',
    );
    const refusal = notify(asked(settings), { TESSERA_NOTIFY_URL: 's3cret' });
    await expect(refusal).rejects.toThrow('holds no http:// or https:// address');
    await expect(refusal).rejects.not.toThrow('s3cret');
  });
});

describe('a config may name', () => {
  const problem = (settings: unknown) => NotifySchema.safeParse(settings).error?.issues[0]?.message ?? null;
  test.each([
    [{ url: 'https://example.org/hook' }, null],
    [{ urlFrom: { env: 'TESSERA_NOTIFY_SLACK' } }, null],
    [{ url: 'https://me:pw@example.org/' }, 'has credentials'],
    [{ url: 'https://hooks.slack.com/services/T0/B0/xyz' }, 'addresses at hooks.slack.com are secrets'],
    [{ url: 'https://me.webhook.office.com/x' }, 'addresses at webhook.office.com are secrets'],
    [{ url: 'https://example.org/hook?token=x' }, "has 'token'"],
    [{ url: 'ftp://example.org' }, 'expected http://'],
    // Any other variable would be sent to whoever it names.
    [{ urlFrom: { env: 'AWS_SECRET_ACCESS_KEY' } }, 'expected a name like TESSERA_NOTIFY_URL'],
    [{}, 'expected either url or urlFrom'],
    [{ url: 'https://example.org', urlFrom: { env: 'TESSERA_NOTIFY_X' } }, 'expected either url or urlFrom'],
  ])('%j: %s', (settings, expected) => {
    if (expected === null) expect(problem(settings)).toBeNull();
    else expect(problem(settings)).toContain(expected);
  });

  test('a secret only by reference, and says how', () => {
    const said = problem({ url: 'https://hooks.slack.com/services/T0/B0/xyz' });
    expect(said).toContain('urlFrom: { env: TESSERA_NOTIFY_… }');
    expect(said).not.toContain('xyz');
  });
});

test('a text says how a run ended, and nothing in it is a mark to a chat', () => {
  const of = (end: object) => noticeText({ version: 1, event: 'run-ended', ...NOTICE, ...end });
  expect(of({ state: 'cancelled' })).toBe('■ tiny (w) was cancelled after 12 s');
  expect(of({ state: 'failed', seconds: 600, failure: { class: 'BadData', message: 'a<b>&c' } })).toBe(
    '✗ tiny (w) failed after 10 min: BadData: a&lt;b&gt;&amp;c',
  );
  expect(of({ result: { mIoU: null, images: 3, resultsUri: 's3://r' } })).toContain(
    'no mIoU, 3 images, s3://r',
  );
});
