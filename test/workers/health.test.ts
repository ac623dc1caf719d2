import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { serveHealth } from '../../workers/health.ts';

async function ask(port: number, path: string) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${(await response.text()).trim()}`;
}

test('a worker is live as long as it answers, and ready only while it is running', async () => {
  let state = 'STARTING';
  const port = await serveHealth(0, () => state);
  const answers = [];
  for (state of ['STARTING', 'RUNNING', 'DRAINING'])
    answers.push([await ask(port, '/livez'), await ask(port, '/readyz')]);
  expect(answers).toEqual([
    ['200 ok', '503 STARTING'],
    ['200 ok', '200 RUNNING'],
    ['200 ok', '503 DRAINING'],
  ]);
  expect(await ask(port, '/else')).toBe('404 not found');
});

test('a port that is taken is the user’s mistake, and names the variable', async () => {
  const other = createServer().listen(0);
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  await expect(serveHealth(port, () => 'RUNNING')).rejects.toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringContaining(`TESSERA_HEALTH_PORT: can't listen on ${port}: listen EADDRINUSE`),
  });
});
