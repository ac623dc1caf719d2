import { z } from 'zod';
import { DEVICES, type Device, PRECISIONS, type Precision } from '../config/config.ts';

const positive = z.number().positive();

/** A model this much larger or smaller is bounded by something else: a small one does not fill a GPU. */
const MAX_SCALE = 100;

/** How fast one worker is: measured by a run, or estimated. */
export const CalibrationEntrySchema = z.strictObject({
  device: z.enum(DEVICES),
  /** As results.json's `environment.deviceName` has it: a GPU, or a CPU with its cores. */
  deviceName: z.string().min(1),
  precision: z.enum(PRECISIONS),
  /** The config that the figures are of. */
  config: z.string().min(1),
  /** Of one worker: backbone, head and stitching. */
  cropsPerSecond: positive,
  /** Operations of one of these crops, thousands of millions: with it, other configs are estimated by theirs. */
  gflopPerCrop: positive.optional(),
  /** From a worker's launch until it could take a batch, the weights being there. */
  readySeconds: z.number().nonnegative(),
  /** Of one worker, from S3. */
  fetchMbPerSecond: positive,
  decodeMegapixelsPerSecond: positive,
  /** Whether a run has shown it, or it follows from assumptions. */
  measured: z.boolean(),
  /** Where the figures are from. */
  source: z.string().min(1),
});
export type CalibrationEntry = z.infer<typeof CalibrationEntrySchema>;

/** A calibration file, YAML or JSON. */
export const CalibrationSchema = z.strictObject({
  version: z.literal(1),
  entries: z.array(CalibrationEntrySchema),
});

/** What a plan's time is computed with. */
export interface Rate {
  entry: CalibrationEntry;
  cropsPerSecond: number;
  /** Whether it was measured with this very config; else it is scaled by operations. */
  isOwn: boolean;
}

/** What a calibration is looked up by. */
export interface Wanted {
  config: string;
  device: Device;
  precision: Precision;
  /** A part of the device's name; any, if nothing is said. */
  deviceName: string | undefined;
  gflopPerCrop: number;
}

/**
 * The entry that fits best, of this config before any other one, the first before later ones.
 *
 * @returns null if none is of this device and precision, and of a model that is near enough in size
 */
export function rateOf(entries: CalibrationEntry[], wanted: Wanted): Rate | null {
  const name = wanted.deviceName?.toLowerCase() ?? '';
  const fitting = entries.filter(
    ({ device, precision, deviceName }) =>
      device === wanted.device && precision === wanted.precision && deviceName.toLowerCase().includes(name),
  );
  const own = fitting.find(({ config }) => config === wanted.config);
  if (own && isSameSize(own, wanted)) return { entry: own, cropsPerSecond: own.cropsPerSecond, isOwn: true };
  // The nearest in size: a small model's stitching says nothing of a large one's backbone.
  const [nearest] = fitting
    .flatMap(({ gflopPerCrop, ...entry }) => (gflopPerCrop === undefined ? [] : [{ ...entry, gflopPerCrop }]))
    .toSorted((a, b) => distance(a, wanted) - distance(b, wanted));
  if (!nearest || distance(nearest, wanted) > Math.log(MAX_SCALE)) return null;
  const cropsPerSecond = (nearest.cropsPerSecond * nearest.gflopPerCrop) / wanted.gflopPerCrop;
  return { entry: nearest, cropsPerSecond, isOwn: false };
}

/** Whether an override has made another model of a config of the same name. */
function isSameSize({ gflopPerCrop }: CalibrationEntry, wanted: Wanted): boolean {
  return gflopPerCrop === undefined || Math.abs(gflopPerCrop / wanted.gflopPerCrop - 1) < 0.01;
}

function distance({ gflopPerCrop }: { gflopPerCrop: number }, wanted: Wanted): number {
  return Math.abs(Math.log(gflopPerCrop / wanted.gflopPerCrop));
}
