import { DefaultLogger, type LogEntry, Runtime } from '@temporalio/worker';
import { BadInput } from '../core/config/failures.ts';
import { HISTOGRAM_BUCKETS } from './metrics.ts';

/**
 * Sets up the output of Temporal's SDK: warnings on stderr, a line each, and metrics for Prometheus on
 * `TESSERA_METRICS_PORT`, if set. Signals are not its business: see program.ts.
 *
 * @returns whether anybody can ask for metrics: without, none are counted
 * @throws BadInput if the port can't be had
 */
export function installTelemetry(): { hasMetrics: boolean } {
  const port = portOf('TESSERA_METRICS_PORT');
  const prometheus = { bindAddress: `0.0.0.0:${port}`, histogramBucketOverrides: HISTOGRAM_BUCKETS };
  const metrics = port === null ? {} : { metrics: { prometheus } };
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger('WARN', (entry) => {
        if (!entry.message.startsWith(NO_WORKFLOWS)) console.error(logLine(entry));
      }),
      telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} }, ...metrics },
    });
  } catch (cause) {
    throw new BadInput(`TESSERA_METRICS_PORT: can't listen on ${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return { hasMetrics: port !== null };
}

/** A port that a variable names; null without it. @throws BadInput if it is none */
export function portOf(name: string, env: NodeJS.ProcessEnv = process.env): number | null {
  const text = env[name];
  if (!text) return null;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new BadInput(`${name}: '${text}' is not a port (1 to 65535)`);
  return port;
}

/** What the SDK warns each worker of that is for activities only, as a GPU worker is. */
const NO_WORKFLOWS = 'No workflows registered';

/** Attributes that tell a reader where he is; the others are for machines. */
const TOLD = ['workflowId', 'activityType', 'attempt', 'taskQueue'];

/** An entry of the SDK's log on one line. */
export function logLine({ level, message, meta = {} }: LogEntry): string {
  const told = TOLD.filter((name) => meta[name] !== undefined).map((name) => `${name} ${meta[name]}`);
  const where = told.length > 0 ? ` (${told.join(', ')})` : '';
  const { error } = meta;
  const cause = error === undefined ? '' : `: ${error instanceof Error ? error.message : String(error)}`;
  return `Temporal ${level} ${message}${where}${cause}`.replaceAll(/\s*\n\s*/g, ' | ');
}
