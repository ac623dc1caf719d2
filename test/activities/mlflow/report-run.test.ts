import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { reportRun } from '../../../activities/mlflow/report-run.ts';
import { ReportSchema, type TrackedRun } from '../../../core/config/report.ts';
import { tinyConfig } from '../../builders.ts';

/* Who is sent credentials, and how refusals read. What a real server makes of it: test/integration/mlflow.long.test.ts. */

/** A server that refuses everything in MLflow's way. */
async function refusing(status: number, answer: object) {
  const asked: { path: string; headers: IncomingMessage['headers'] }[] = [];
  const server = createServer(async (request, response) => {
    await text(request);
    asked.push({ path: request.url!, headers: request.headers });
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function tracked(...overrides: string[]): TrackedRun {
  return {
    type: 'EvalMIoU',
    workflowId: 'w',
    runId: 'r',
    startedAtMs: 0,
    atMs: 1,
    state: 'failed',
    prefix: 's3://b/w',
    codeVersion: '1',
    config: tinyConfig('run.report.mlflow.experiment=e', ...overrides),
  };
}

const denied = { error_code: 'PERMISSION_DENIED', message: 'Permission denied' };

describe('a server', () => {
  test('that a variable names is sent what is in the variables, and nobody else is', async () => {
    const { asked, host } = await refusing(403, denied);
    const named = tracked('run.report.mlflow.uriFrom.env=TESSERA_MLFLOW_URI');
    const report = (run: TrackedRun, env: NodeJS.ProcessEnv) =>
      reportRun(memoryStore(), run, env).catch(() => {});
    await report(named, { TESSERA_MLFLOW_URI: `http://${host}/base/`, TESSERA_MLFLOW_URI_TOKEN: 's3cret' });
    await report(named, { TESSERA_MLFLOW_URI: `http://me:p%40ss@${host}` });
    await report(tracked(`run.report.mlflow.uri=http://${host}`), {
      TESSERA_MLFLOW_URI: `http://me:pass@${host}`,
      TESSERA_MLFLOW_URI_TOKEN: 's3cret',
    });
    expect(asked.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/base/api/2.0/mlflow/experiments/search', 'Bearer s3cret'],
      ['/api/2.0/mlflow/experiments/search', `Basic ${Buffer.from('me:p@ss').toString('base64')}`],
      ['/api/2.0/mlflow/experiments/search', undefined],
    ]);
  });

  test.each([
    [403, denied, 'BadInput', /answered 403 Forbidden: Permission denied$/],
    [503, {}, 'Unavailable', /answered 503 Service Unavailable$/],
  ])(
    'that answers %d is told of in its own words, by whether it may pass',
    async (status, answer, failureClass, message) => {
      const { host } = await refusing(status, answer);
      const run = tracked(`run.report.mlflow.uri=http://${host}`);
      await expect(reportRun(memoryStore(), run, {})).rejects.toMatchObject({
        failureClass,
        message: expect.stringMatching(message),
      });
    },
  );
});

test.each([
  [
    { uri: 'http://me:pass@mlflow:5000' },
    'has credentials, which would be in the results: put it into an environment variable',
  ],
  [{ uriFrom: { env: 'AWS_SECRET_ACCESS_KEY' } }, 'expected a name like TESSERA_MLFLOW_URL'],
  [{}, 'expected either uri or uriFrom'],
  [{ uri: 'http://mlflow:5000', experiment: "o'neill" }, 'expected a name without quotes and backslashes'],
])('a config may not say %o', (settings, message) => {
  const parsed = ReportSchema.safeParse({ mlflow: { experiment: 'e', ...settings } });
  expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(message);
});
