import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FleetSpec, WorkerState } from '../../core/config/fleet.ts';
import { exitCause } from '../../core/config/worker-exit.ts';
import { withoutTimes } from '../../core/log-lines.ts';
import type { Launcher } from './launcher.ts';

const PORTS = ['TESSERA_HEALTH_PORT', 'TESSERA_METRICS_PORT', 'TESSERA_FEATURE_PORT'];

/** A worker's process. It must end when this process ends, for whatever reason. */
interface WorkerProcess {
  /** Resolves, never rejects, once it has ended. */
  exited: Promise<{ code: number | null; signal: string | null }>;
  /** Resolves when the process and its children have ended. */
  stop(): Promise<unknown>;
}

export interface LocalWorkers {
  /** Folder of the workers' logs, one file per worker. */
  logFolder: string;
  /** Default: this process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Starts the program that a pod runs, and overwrites `log`. */
  start(worker: { env: NodeJS.ProcessEnv; log: string }): WorkerProcess;
}

interface LocalWorker {
  name: string;
  log: string;
  process: WorkerProcess;
  createdAtMs: number;
  /** Unique among running workers. */
  slot: number;
  gone: WorkerState | null;
}

/**
 * Runs workers as child processes of this process, with the program that a pod runs. They end with this process; a
 * restarted control worker starts new ones. With `TESSERA_LOCAL_METRICS_PORT` they serve their metrics on ports from
 * that number on.
 */
export function localLauncher({ logFolder, env = process.env, start: startProcess }: LocalWorkers): Launcher {
  // A port belongs to one process.
  const withoutPorts = Object.fromEntries(Object.entries(env).filter(([name]) => !PORTS.includes(name)));
  const fleets = new Map<string, LocalWorker[]>();
  const metricsPort = env.TESSERA_LOCAL_METRICS_PORT;
  const freeSlot = () => {
    const taken = [...fleets.values()].flat().flatMap(({ gone, slot }) => (gone ? [] : [slot]));
    let slot = 0;
    while (taken.includes(slot)) slot++;
    return slot;
  };

  async function start(fleet: FleetSpec, name: string): Promise<LocalWorker> {
    const log = path.join(logFolder, `${name}.log`);
    await mkdir(logFolder, { recursive: true });
    const slot = freeSlot();
    const child = startProcess({
      log,
      env: {
        ...withoutPorts,
        ...(metricsPort ? { TESSERA_METRICS_PORT: `${Number(metricsPort) + slot}` } : {}),
        TESSERA_TASK_QUEUE: fleet.taskQueue,
        TESSERA_WORKER: name,
        TESSERA_LOG_TIMES: '1',
      },
    });
    const worker: LocalWorker = { name, log, process: child, createdAtMs: Date.now(), slot, gone: null };
    child.exited.then(async (exit) => {
      worker.gone = {
        name,
        createdAtMs: worker.createdAtMs,
        state: 'gone',
        cause: exitCause(exit),
        lastLines: await lastLines(log),
      };
    });
    return worker;
  }

  return {
    async reconcile(fleet) {
      const workers = fleets.get(fleet.name) ?? [];
      fleets.set(fleet.name, workers);
      let living = workers.filter((worker) => !worker.gone).length;
      for (; living < fleet.workers; living++)
        workers.push(await start(fleet, `${fleet.name}-${workers.length}`));
    },
    async observe(fleet) {
      const workers = fleets.get(fleet.name) ?? [];
      return {
        workers: workers.map(
          ({ name, createdAtMs, gone }) => gone ?? { name, state: 'running', createdAtMs },
        ),
        trouble: null,
      };
    },
    async tearDown(fleet) {
      const workers = fleets.get(fleet.name) ?? [];
      await Promise.all(workers.map((worker) => worker.process.stop()));
      fleets.delete(fleet.name);
    },
  };
}

async function lastLines(log: string): Promise<string> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return withoutTimes(text.trimEnd().split('\n').slice(-10)).join('\n');
}
