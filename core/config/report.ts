import { z } from 'zod';
import type { Config } from './config.ts';
import type { FailureClass } from './failures.ts';
import type { Labels } from './labels.ts';
import { addressVariable, openAddress } from './receiver.ts';

/** What names of environment variables with MLflow's addresses begin with. */
export const MLFLOW_PREFIX = 'TESSERA_MLFLOW_';

const remedy = `put it into an environment variable of the control worker and name that: uriFrom: { env: ${MLFLOW_PREFIX}… }`;

const mlflow = z
  .strictObject({
    /** Of a tracking server that asks for no credentials. */
    uri: openAddress(remedy).optional(),
    /**
     * The address is in an environment variable of the control worker, which may hold `user:password@`; a bearer token in
     * the variable of the same name with `_TOKEN`. No other address is sent one.
     */
    uriFrom: addressVariable(MLFLOW_PREFIX).optional(),
    /** Made if there is none of this name. */
    experiment: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[^'"\\]+$/, 'expected a name without quotes and backslashes'),
    /** The workflow id, if absent. */
    runName: z.string().min(1).max(256).optional(),
  })
  .refine(({ uri, uriFrom }) => (uri === undefined) !== (uriFrom === undefined), {
    error: 'expected either uri or uriFrom',
  });
export type Mlflow = z.infer<typeof mlflow>;

/** Tracking tools that a run writes its figures for. Nothing is written or sent for what isn't named here. */
export const ReportSchema = z.strictObject({
  /** An event file for TensorBoard beside the log, or beside the results: `tensorboard/`. */
  tensorboard: z.boolean().default(false),
  /** A run at an MLflow tracking server. */
  mlflow: mlflow.optional(),
});

/** A run as it is reported to a tracking server: while it runs, and when it has ended. */
export interface TrackedRun {
  type: 'EvalMIoU' | 'Train';
  workflowId: string;
  runId: string;
  startedAtMs: number;
  prefix: string;
  codeVersion: string;
  config: Config;
  labels?: Labels;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  /** By the workflow's clock: when it ended, or was reported. */
  atMs: number;
  resultsUri?: string;
  failure?: { class: FailureClass; message: string };
}
