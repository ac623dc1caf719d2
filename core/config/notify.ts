import { z } from 'zod';
import { FAILURE_CLASSES } from './failures.ts';
import { LabelsSchema } from './labels.ts';
import { addressVariable, openAddress } from './receiver.ts';

/** What names of environment variables with addresses begin with: no other variable of a control worker can be named. */
export const NOTIFY_PREFIX = 'TESSERA_NOTIFY_';

const remedy = `put it into an environment variable of the control worker and name that: urlFrom: { env: ${NOTIFY_PREFIX}… }`;

/** Recipients of a notice when a run ends. */
export const NotifySchema = z
  .strictObject({
    /** Of a receiver without credentials: what is written here is in Temporal's history and in the results. */
    url: openAddress(remedy).optional(),
    /** The address is in an environment variable of the control worker. */
    urlFrom: addressVariable(NOTIFY_PREFIX).optional(),
  })
  .refine((notify) => (notify.url === undefined) !== (notify.urlFrom === undefined), {
    error: 'expected either url or urlFrom',
  });
export type Notify = z.infer<typeof NotifySchema>;

const share = z.number().nullable();

/** What is posted: `text` is what Slack, Mattermost and others show. */
export const NoticeSchema = z.strictObject({
  text: z.string(),
  version: z.literal(1),
  event: z.literal('run-ended'),
  type: z.enum(['EvalMIoU', 'Train', 'ReproduceTable']),
  workflowId: z.string(),
  runId: z.string(),
  /** The config's name; of a table, its suite or how many rows it has. */
  name: z.string(),
  labels: LabelsSchema.exactOptional(),
  state: z.enum(['done', 'failed', 'cancelled']),
  startedAt: z.iso.datetime(),
  seconds: z.number().nonnegative(),
  /** Of a run that is done. `mIoU`: of a training, that of its best evaluation. Null where there is no exact one. */
  result: z
    .strictObject({
      mIoU: share.exactOptional(),
      images: z.int().exactOptional(),
      /** Of a run that has spent its budget: images that were to be evaluated. */
      ofImages: z.int().exactOptional(),
      steps: z.int().exactOptional(),
      rows: z.int().exactOptional(),
      failedRows: z.int().exactOptional(),
      resultsUri: z.string(),
      reportUri: z.string().exactOptional(),
    })
    .exactOptional(),
  failure: z.strictObject({ class: z.enum(FAILURE_CLASSES), message: z.string() }).exactOptional(),
});
export type Notice = z.infer<typeof NoticeSchema>;

/** What a workflow knows of its end, and by what it is asked to tell it. */
export interface RunEnd {
  /** The part of the input that names the recipients. */
  asked: { notify: unknown; overrides: string[] };
  notice: Omit<Notice, 'text' | 'version' | 'event'>;
}
