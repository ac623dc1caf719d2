import type { z } from 'zod';
import { BadData } from '../../core/config/failures.ts';

/** What is about to be published, by its own schema. @throws BadData naming what contradicts it */
export function checkOutput<T extends z.ZodType>(schema: T, value: z.input<T>, where: string): z.output<T> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new BadData(`${where}: ${issue?.path.join('.')}: ${issue?.message}`);
}
