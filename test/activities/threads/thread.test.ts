import { expect, test } from 'vitest';
import { Thread } from '../../../activities/thread.ts';
import { BadInput } from '../../../core/config/failures.ts';
import type { EchoExchange } from './echo-thread.ts';

interface Hears {
  news: string[];
  failures: Error[];
}

function open(supply: (need: number) => Promise<string> = async () => '') {
  const heard: Hears = { news: [], failures: [] };
  const thread = new Thread<EchoExchange>({
    name: 'echo',
    program: new URL('./echo-thread', import.meta.url),
    data: { opens: true },
    onNews: (news) => heard.news.push(news),
    onFailure: (failure) => heard.failures.push(failure),
    supply: async (need) => ({ value: await supply(need) }),
  });
  return { thread, heard };
}

test('asked things are answered in order, buffers are moved both ways, and the end comes after them', async () => {
  const { thread, heard } = open();
  expect(await thread.ready).toBe('here');
  thread.send('one');
  const answers = [1, 2].map((length) => {
    const bytes = new Uint8Array(length).fill(length);
    const answer = thread.ask({ bytes }, [bytes.buffer]);
    expect(bytes.length).toBe(0);
    return answer;
  });
  const ended = thread[Symbol.asyncDispose]();
  expect(await Promise.all(answers)).toEqual([
    { bytes: Uint8Array.of(1), left: 1 },
    { bytes: Uint8Array.of(2, 2), left: 2 },
  ]);
  await ended;
  expect(heard.news).toEqual(['one, too', 'closing', 'closed']);
});

test('a thread gets what it needs from its opener, or the failure with its class', async () => {
  const supplied = open(async (need) => `the answer to ${need}`);
  expect(await supplied.thread.ask('need')).toBe('the answer to 42');
  await supplied.thread[Symbol.asyncDispose]();
  const refused = open(() => Promise.reject(new BadInput('none of that')));
  expect(await refused.thread.ask('need')).toBe('BadInput: none of that');
  await refused.thread[Symbol.asyncDispose]();
});

test('a failure fails what waits and what comes after, with its class, and is told once', async () => {
  const { thread, heard } = open();
  const failure = { failureClass: 'BadData', message: 'a bad value' };
  const asked = [thread.ask('fail'), thread.ask('need')];
  await Promise.all(asked.map((answer) => expect(answer).rejects.toMatchObject(failure)));
  await expect(thread.ask('need')).rejects.toMatchObject(failure);
  await thread[Symbol.asyncDispose]();
  expect(heard.failures.map(({ message }) => message)).toEqual(['a bad value']);
});

test.each<[Extract<EchoExchange['ask'], string>, string]>([
  ['exit', 'the echo thread ended (exit code 7)'],
  ['throw', 'nobody catches this'],
])('a thread that ends by %s fails what waits', async (how, message) => {
  const { thread } = open();
  await expect(thread.ask(how)).rejects.toThrow(message);
  await expect(thread.ask('need')).rejects.toThrow(message);
  await thread[Symbol.asyncDispose]();
});

test('a thread that cannot be opened says why, and ends', async () => {
  const thread = new Thread<EchoExchange>({
    name: 'echo',
    program: new URL('./echo-thread', import.meta.url),
    data: { opens: false },
  });
  await expect(thread.ready).rejects.toMatchObject({
    failureClass: 'BadData',
    message: 'it cannot be opened',
  });
  await thread[Symbol.asyncDispose]();
});

test('a killed thread fails what waits', async () => {
  const { thread } = open();
  await thread.ready;
  const asked = thread.ask('throw');
  const failed = expect(asked).rejects.toThrow();
  await thread.kill();
  await failed;
});
