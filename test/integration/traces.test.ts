import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTessera, type Tessera } from './tessera.ts';

/* Spans of a run, taken by a receiver of OTLP over HTTP. */
interface Span {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: Record<string, string | number>;
  status: { code?: number };
}
type Value = { stringValue?: string; intValue?: number | string; doubleValue?: number };
interface Sent {
  resourceSpans: {
    resource: { attributes: { key: string; value: Value }[] };
    scopeSpans: {
      spans: (Omit<Span, 'attributes' | 'service'> & { attributes: { key: string; value: Value }[] })[];
    }[];
  }[];
}

let tessera: Tessera;
let server: Server;
const spans: Span[] = [];
const paths = new Set<string>();

beforeAll(async () => {
  server = createServer(async (request, response) => {
    paths.add(request.url!);
    for (const { resource, scopeSpans } of ((await json(request)) as Sent).resourceSpans)
      for (const span of scopeSpans.flatMap((scope) => scope.spans))
        spans.push({
          ...span,
          service: String(valuesOf(resource.attributes)['service.name']),
          attributes: valuesOf(span.attributes),
        });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.OTEL_BSP_SCHEDULE_DELAY = '200';
  tessera = await startTessera({ images: 6 });
});
afterAll(async () => {
  await tessera[Symbol.asyncDispose]();
  server.close();
});

function valuesOf(attributes: { key: string; value: Value }[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  );
}

/** Spans of one workflow's trace, once those of all these names are there. */
async function traceOf(workflowId: string, ...names: string[]): Promise<Span[]> {
  for (let i = 0; i < 100; i++) {
    const traceId = spans.find(
      ({ attributes }) =>
        attributes.temporalWorkflowId === workflowId || attributes.workflow_id === workflowId,
    )?.traceId;
    const own = spans.filter((span) => span.traceId === traceId);
    if (traceId && names.every((name) => own.some((span) => span.name === name))) return own;
    await sleep(100);
  }
  throw new Error(`no trace of ${workflowId}: ${[...new Set(spans.map(({ name }) => name))].join(', ')}`);
}

it('a run is one trace, from its workflow to each shard, with where a shard’s time went', async () => {
  const { images } = await tessera.run(
    'traced',
    tessera.input({ overrides: ['run.shards=2', 'run.workers=1'] }),
  );
  const trace = await traceOf(
    'traced',
    'RunWorkflow:EvalMIoU',
    'RunActivity:publishResults',
    'RunActivity:evaluateShard',
  );
  expect([...paths]).toEqual(['/v1/traces']);
  const root = trace.find(({ name }) => name === 'RunWorkflow:EvalMIoU')!;
  expect(root.parentSpanId).toBeUndefined();
  const shards = trace.filter(({ name }) => name === 'RunActivity:evaluateShard');
  expect(shards.map(({ service }) => service)).toEqual(['tessera-worker', 'tessera-worker']);
  expect(shards.reduce((sum, { attributes }) => sum + Number(attributes['tessera.images']), 0)).toBe(images);
  for (const { attributes, parentSpanId } of shards) {
    expect(attributes['tessera.seconds.compute']).toBeGreaterThan(0);
    const started = trace.find(({ spanId }) => spanId === parentSpanId)!;
    expect(started).toMatchObject({
      name: 'StartActivity:evaluateShard',
      service: 'tessera-control',
      parentSpanId: root.spanId,
    });
  }
});

it('a run that fails has its error on its span', async () => {
  await expect(tessera.run('broken', tessera.input({ dataset: 's3://tessera/none' }))).rejects.toThrow();
  const trace = await traceOf('broken', 'RunWorkflow:EvalMIoU', 'RunActivity:planEval');
  expect(trace.find(({ name }) => name === 'RunActivity:planEval')!.status.code).toBe(2);
  expect(trace.find(({ name }) => name === 'RunWorkflow:EvalMIoU')!.status.code).toBe(2);
});
