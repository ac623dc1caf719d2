import { z } from 'zod';
import { BadInput } from '../../core/config/failures.ts';
import type { Mlflow } from '../../core/config/report.ts';
import { addressOf, post, refusal } from '../receiver.ts';

const FIELD = 'run.report.mlflow';
/** Of what a server says of a refusal. */
const MAX_DETAIL = 300;

const pairs = z.array(z.looseObject({ key: z.string(), value: z.string() })).default([]);
const runSchema = z.looseObject({
  info: z.looseObject({ run_id: z.string() }),
  data: z.looseObject({ params: pairs, tags: pairs }).default({ params: [], tags: [] }),
});
export type MlflowRun = z.infer<typeof runSchema>;

export interface Pair {
  key: string;
  value: string;
}

export interface Metric {
  key: string;
  value: number;
  /** Milliseconds. */
  timestamp: number;
  step: number;
}

/** What is used of MLflow's REST API 2.0. @throws BadInput if it refuses, Unavailable if it may answer later */
export interface MlflowServer {
  /** The experiment of a name, made if there is none. */
  experiment(name: string): Promise<string>;
  findRun(experimentId: string, tag: Pair): Promise<MlflowRun | null>;
  createRun(run: {
    experiment_id: string;
    run_name: string;
    start_time: number;
    tags: Pair[];
  }): Promise<MlflowRun>;
  /** At most 1000 together, 100 of them params and 100 tags. The same again changes nothing. */
  logBatch(runId: string, batch: { metrics?: Metric[]; params?: Pair[]; tags?: Pair[] }): Promise<void>;
  updateRun(run: { run_id: string; status: string; end_time?: number }): Promise<void>;
}

/** The server that a config names. */
export function mlflowServer(settings: Mlflow, env: NodeJS.ProcessEnv): MlflowServer {
  const variable = settings.uriFrom?.env;
  const base = addressOf({ address: settings.uri, variable }, FIELD, env);
  const token = variable ? env[`${variable}_TOKEN`] : undefined;

  async function call(path: string, body: object): Promise<{ answer: unknown; code: string | null }> {
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/2.0/mlflow/${path}`;
    const response = await post(url, { field: FIELD, body, token });
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return { answer, code: null };
    const { error_code: code, message } = errorSchema.parse(answer);
    if (code === 'RESOURCE_ALREADY_EXISTS') return { answer, code };
    throw refusal(response, url, FIELD, message.slice(0, MAX_DETAIL));
  }
  const read = async <T>(schema: z.ZodType<T>, path: string, body: object) =>
    schema.parse((await call(path, body)).answer);

  return {
    async experiment(name) {
      const find = async () => {
        const filter = `name = '${name}'`;
        const { experiments } = await read(foundExperiments, 'experiments/search', {
          max_results: 1000,
          filter,
        });
        return experiments.find((one) => one.name === name)?.experiment_id;
      };
      const found = await find();
      if (found !== undefined) return found;
      const { answer, code } = await call('experiments/create', { name });
      if (code === null) return madeExperiment.parse(answer).experiment_id;
      const meanwhile = await find();
      if (meanwhile !== undefined) return meanwhile;
      throw new BadInput(`${FIELD}: the experiment '${name}' was deleted: restore it, or name another one`);
    },
    async findRun(experimentId, { key, value }) {
      const { runs } = await read(foundRuns, 'runs/search', {
        experiment_ids: [experimentId],
        filter: `tags.\`${key}\` = '${value}'`,
        max_results: 1,
        order_by: ['attributes.start_time ASC'],
      });
      return runs[0] ?? null;
    },
    createRun: async (run) => (await read(z.looseObject({ run: runSchema }), 'runs/create', run)).run,
    logBatch: async (run_id, batch) => void (await call('runs/log-batch', { run_id, ...batch })),
    updateRun: async (run) => void (await call('runs/update', run)),
  };
}

const foundExperiments = z.looseObject({
  experiments: z.array(z.looseObject({ experiment_id: z.string(), name: z.string() })).default([]),
});
const madeExperiment = z.looseObject({ experiment_id: z.string() });
const foundRuns = z.looseObject({ runs: z.array(runSchema).default([]) });
const errorSchema = z
  .looseObject({ error_code: z.string().default(''), message: z.string().default('') })
  .catch({ error_code: '', message: '' });
