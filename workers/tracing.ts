import type { WorkerOptions } from '@temporalio/worker';
import type { GpuActivities } from '../activities/gpu.ts';
import type { ShardResult } from '../core/config/eval.ts';

/** A collector that is away is not waited for at a worker's end. */
const FLUSH_WITHIN_MS = 800;

/** Spans of workflows and activities, sent by OTLP over HTTP. */
export interface Tracing {
  workerOptions: Pick<WorkerOptions, 'interceptors' | 'sinks'>;
  /** Activities that say on their spans where a shard's time went. */
  traced<A extends Pick<GpuActivities, 'evaluateShard' | 'trainSegment'>>(activities: A): A;
  /** Sends what is waiting. */
  flush(): Promise<void>;
}

/**
 * Turns traces on where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) is set; headers, service name, sampling and
 * batching are those of OpenTelemetry's own variables. Without it nothing of it is loaded.
 */
export async function openTracing(
  service: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Tracing | null> {
  const isAsked = env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (!isAsked || env.OTEL_SDK_DISABLED === 'true') return null;
  const [{ trace }, { AsyncLocalStorageContextManager }, { OTLPTraceExporter }, resources, sdk, temporal] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-base'),
      import('@temporalio/interceptors-opentelemetry'),
    ]);
  const fromVariables = resources.detectResourcesSync({ detectors: [resources.envDetectorSync] });
  const resource = new resources.Resource({ 'service.name': service }).merge(fromVariables);
  const processor = new sdk.BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors: [processor] });
  provider.register({ contextManager: new AsyncLocalStorageContextManager().enable() });

  const onSpan = (attributes: Record<string, string | number>) =>
    trace.getActiveSpan()?.setAttributes(attributes);
  return {
    workerOptions: {
      interceptors: {
        activity: [(context) => ({ inbound: new temporal.OpenTelemetryActivityInboundInterceptor(context) })],
      },
      sinks: { exporter: temporal.makeWorkflowExporter(processor, resource) },
    },
    traced: (activities) => ({
      ...activities,
      evaluateShard: async (task) => {
        onSpan({
          'tessera.config': task.run.config.name,
          'tessera.shard': task.range.shard,
          'tessera.batch': task.batch,
        });
        const result = await activities.evaluateShard(task);
        onSpan(shardAttributes(result));
        return result;
      },
      trainSegment: async (task) => {
        onSpan({ 'tessera.config': task.run.config.name, 'tessera.until': task.until });
        const result = await activities.trainSegment(task);
        const { worker, steps, seconds, dataSeconds } = result;
        onSpan({
          'tessera.worker': worker,
          'tessera.steps': steps,
          'tessera.seconds.steps': seconds,
          'tessera.seconds.wait': dataSeconds,
        });
        return result;
      },
    }),
    flush: async () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_WITHIN_MS).unref());
      await Promise.race([provider.forceFlush().catch(() => {}), late]);
    },
  };
}

/** Seconds by phase, as results tell them. Phases overlap, so that they are no spans of their own. */
function shardAttributes({ worker, images, phases }: ShardResult): Record<string, string | number> {
  const seconds = Object.entries(phases).map(([phase, value]) => [`tessera.seconds.${phase}`, value]);
  return { 'tessera.worker': worker, 'tessera.images': images.length, ...Object.fromEntries(seconds) };
}
