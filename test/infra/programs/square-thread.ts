import { serveThread } from '../../../activities/serve-thread.ts';
import { squareOverCApi } from './square-over-c-api.ts';

export interface SquareExchange {
  data: object;
  ready: string;
  ask: never;
  answer: never;
  message: never;
  news: never;
  need: never;
  supply: never;
}

serveThread<SquareExchange>(async () => ({
  ready: await squareOverCApi(),
}));
