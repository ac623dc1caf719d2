import { serveThread } from '../../../activities/serve-thread.ts';
import { BadData } from '../../../core/config/failures.ts';

/** A thread that a test asks for anything that may happen to one. */
export interface EchoExchange {
  data: { opens: boolean };
  ready: string;
  ask: { bytes: Uint8Array<ArrayBuffer> } | 'need' | 'fail' | 'exit' | 'throw';
  answer: { bytes: Uint8Array<ArrayBuffer>; left: number } | string;
  message: string;
  news: string;
  need: number;
  supply: string;
}

serveThread<EchoExchange>(async ({ opens }, opener) => {
  if (!opens) throw new BadData('it cannot be opened');
  return {
    ready: 'here',
    receive: async (text) => opener.report(`${text}, too`),
    async ask(what) {
      if (what === 'fail') throw new BadData('a bad value');
      if (what === 'exit') process.exit(7);
      if (what === 'throw') setImmediate(() => Promise.reject(new Error('nobody catches this')));
      if (what === 'throw') return new Promise(() => {});
      if (what === 'need')
        return { value: await opener.need(42).catch((error: Error) => `${error.name}: ${error.message}`) };
      const { bytes } = what;
      return { value: { bytes, left: bytes.length }, transfer: [bytes.buffer] };
    },
    closing: () => opener.report('closing'),
    close: async () => opener.report('closed'),
  };
});
