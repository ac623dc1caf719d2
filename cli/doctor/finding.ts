import { z } from 'zod';
import { explain } from '../explain.ts';

/** One check of `tessera doctor`. */
export const FindingSchema = z.strictObject({
  area: z.enum(['machine', 'Temporal', 'S3', 'Kubernetes']),
  what: z.string(),
  /** `note`: works, but less well than it could. */
  state: z.enum(['ok', 'note', 'failed']),
  detail: z.string(),
  /** What to do about it. */
  remedy: z.string().optional(),
});
export type Finding = z.infer<typeof FindingSchema>;

/** What `tessera doctor --json` prints. */
export const DoctorSchema = z.strictObject({ version: z.literal(1), findings: z.array(FindingSchema) });

/**
 * A check's finding; its failure is a finding, too.
 *
 * @param look gives what was found, or a whole finding
 */
export async function found(
  area: Finding['area'],
  what: string,
  look: () => Promise<string | Partial<Finding>>,
): Promise<Finding> {
  try {
    const result = await look();
    const finding = typeof result === 'string' ? { detail: result } : result;
    return { area, what, state: 'ok', detail: '', ...finding };
  } catch (error) {
    const detail = explain(error) ?? (error instanceof Error ? error.message : String(error));
    return { area, what, state: 'failed', detail };
  }
}
