import { z } from 'zod';
import { HUB_URI } from '../hub/hub-uri.ts';

const S3_URI = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/;

export const s3Uri = z.string().regex(S3_URI, 'expected s3://bucket/key');

/** Of a checkpoint: staged, or on the Hugging Face Hub. */
export const weightsUri = z
  .string()
  .regex(
    new RegExp(`${S3_URI.source}|${HUB_URI.source}`),
    'expected s3://bucket/key or hf://org/name@revision/file',
  );
