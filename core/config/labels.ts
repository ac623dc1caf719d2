import { z } from 'zod';

/** As a label's value in Kubernetes, and the end of its name there; a prefix of ours comes before the name. */
const WORD = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const MAX_KEY = 50;
const MAX_VALUE = 63;
const MAX_LABELS = 16;

const word = (what: string, max: number) =>
  z
    .string()
    .max(max, `expected at most ${max} characters in a label's ${what}`)
    .regex(
      WORD,
      `expected letters, digits, '-', '_' and '.' in a label's ${what}, a letter or digit first and last`,
    );

/** What a run is filed under, such as its team: on its Job and pods, and in its results. */
export const LabelsSchema = z.record(z.string(), word('value', MAX_VALUE)).superRefine((labels, context) => {
  const keys = Object.keys(labels);
  if (keys.length > MAX_LABELS)
    context.addIssue({
      code: 'custom',
      message: `expected at most ${MAX_LABELS} labels, not ${keys.length}`,
    });
  for (const key of keys)
    for (const { message } of word('name', MAX_KEY).safeParse(key).error?.issues ?? [])
      context.addIssue({ code: 'custom', message, path: [key] });
});
export type Labels = z.infer<typeof LabelsSchema>;
