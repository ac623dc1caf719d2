import { z } from 'zod';

/** Manifests: what staging writes once beside the data, and what runs trust from then on. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const stagedFile = z.strictObject({
  /** Relative to the manifest. */
  key: z.string().min(1),
  sizeBytes: z.int().nonnegative(),
  sha256,
});

export const DatasetManifestSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('dataset'),
  name: z.string(),
  split: z.string(),
  /** In evaluation order: sorted by id, as mmseg sorts file names. */
  images: z
    .array(
      z.strictObject({
        id: z.string().min(1),
        image: stagedFile,
        /** Absent in a split without truth, such as a test set whose labels its server keeps. */
        annotation: stagedFile.optional(),
        /** Of the image as it is seen (EXIF orientation applied), pixels. */
        width: z.int().positive(),
        height: z.int().positive(),
      }),
    )
    .min(1),
});
export type DatasetManifest = z.infer<typeof DatasetManifestSchema>;
export type ManifestImage = DatasetManifest['images'][number];

export const DTYPES = [
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'float64',
] as const;

/** Where weights came from: while this stays the same they need not be read again. */
const weightsSource = z.strictObject({
  /** Of a URL without its query, which may hold a signature. */
  uri: z.string(),
  /** Or the time of its last change, where a server has no ETags. */
  etag: z.string(),
  sizeBytes: z.int().nonnegative(),
});
export type WeightsSourceRecord = z.infer<typeof weightsSource>;

export const WeightsManifestSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('weights'),
  file: stagedFile,
  /** Absent for a file of the machine that staged it. */
  source: weightsSource.optional(),
  /** With it the manifest says all that the file's own tables say of its tensors; earlier versions kept none. */
  topLevelKeys: z.array(z.string()).optional(),
  /** Tensors that are not read, with what they are: `a quantised tensor`; absent if there are none. */
  unreadable: z.array(z.strictObject({ name: z.string(), what: z.string() })).optional(),
  tensors: z.array(
    z.strictObject({
      name: z.string(),
      dtype: z.enum(DTYPES),
      shape: z.array(z.int().nonnegative()),
      /** In elements; absent if the elements lie in C order without gaps. */
      strides: z.array(z.int().nonnegative()).optional(),
      /** Byte range in the file. */
      offset: z.int().nonnegative(),
      length: z.int().nonnegative(),
      /** Of that range, so that it can be fetched without the rest; absent in manifests of earlier versions. */
      sha256: sha256.optional(),
    }),
  ),
});
export type WeightsManifest = z.infer<typeof WeightsManifestSchema>;
export type DType = (typeof DTYPES)[number];
