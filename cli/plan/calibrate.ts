import { access, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { imageCosts } from '../../activities/plan/image-costs.ts';
import { readYaml } from '../../activities/plan/read-yaml.ts';
import { BadInput } from '../../core/config/failures.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { parseAs } from '../../core/config/parse.ts';
import type { Results } from '../../core/config/results.ts';
import { modelFlops } from '../../core/model/flops.ts';
import { type CalibrationEntry, CalibrationSchema } from '../../core/plan/calibration.ts';
import { DEFAULT_CALIBRATION } from '../../core/plan/default-calibration.ts';
import { readPlannedDataset } from '../../core/read-manifest.ts';
import { readResults } from '../../core/read-results.ts';
import type { Store } from '../../core/store.ts';

/** Weights that came faster than this were in the node's cache already. */
const MIN_FETCH_SECONDS = 0.5;

/** Speeds: of earlier runs, then of a file, then what is known without either. */
export async function calibrationEntries(
  store: Store,
  { calibrate = [], calibration }: { calibrate?: string[]; calibration?: string },
): Promise<CalibrationEntry[]> {
  const ofRuns = await Promise.all(calibrate.map((uri) => entryOf(store, uri)));
  const isThere =
    calibration !== undefined &&
    (await access(calibration).then(
      () => true,
      () => false,
    ));
  if (calibration !== undefined && !isThere && ofRuns.length === 0)
    throw new BadInput(
      `${calibration}: no such file. Make it of an earlier run: --calibrate s3://…/results.json --calibration ${calibration}`,
    );
  const ofFile =
    calibration !== undefined && isThere
      ? parseAs(CalibrationSchema, await readYaml(calibration, calibration), calibration).entries
      : [];
  const own = [...ofRuns, ...ofFile.filter((entry) => !ofRuns.some((newer) => isSame(newer, entry)))];
  if (calibration !== undefined && ofRuns.length > 0) {
    const file = { version: 1, entries: own };
    await writeFile(
      calibration,
      calibration.endsWith('.json') ? `${JSON.stringify(file, null, 2)}\n` : stringify(file),
    );
  }
  return [...own, ...DEFAULT_CALIBRATION];
}

/**
 * How fast a run's workers were.
 *
 * @throws BadInput for a run that says too little of it
 */
async function entryOf(store: Store, uri: string): Promise<CalibrationEntry> {
  const results = await readResults(store, uri);
  const { run, inputs, environment, timeBudget, coverage } = results;
  const { config } = run;
  if (coverage.images !== inputs.dataset.images)
    throw new BadInput(
      `${uri}: is of ${coverage.images} of ${inputs.dataset.images} images; calibrate by a whole run`,
    );
  const manifest = await readPlannedDataset(store, inputs.dataset);
  const crops = imageCosts(manifest, config, inputs.dataset.uri).reduce((sum, cost) => sum + cost, 0);
  const { compute, idle } = timeBudget.worker;
  if (compute <= 0) throw new BadInput(`${uri}: its workers computed for 0 s; calibrate by a longer run`);
  const [fallback] = DEFAULT_CALIBRATION;
  const idleShare = idle / (compute + idle);
  return {
    device: environment.device,
    deviceName: environment.deviceName,
    precision: environment.precision,
    config: config.name,
    cropsPerSecond: crops / compute,
    gflopPerCrop: modelFlops(vitConfig(config).model) / 1e9,
    readySeconds: readySeconds(results),
    fetchMbPerSecond: fetchRate(results) ?? fallback!.fetchMbPerSecond,
    decodeMegapixelsPerSecond: fallback!.decodeMegapixelsPerSecond,
    measured: true,
    source: `${uri}: ${crops} crops in ${compute.toFixed(1)} s; workers waited ${(100 * idleShare).toFixed(0)} % of the time`,
  };
}

/** On the cluster's part of a start only the first worker is known. */
function readySeconds({ timeBudget, environment }: Results): number {
  const { start, graphBuild, warmUp } = timeBudget.worker;
  const { create = 0, schedule = 0, pull = 0 } = timeBudget.coldStart ?? {};
  return create + schedule + pull + (start + graphBuild + warmUp) / environment.workers;
}

function fetchRate({ timeBudget, inputs, environment }: Results): number | null {
  const seconds = timeBudget.worker.weightFetch / environment.workers;
  if (seconds < MIN_FETCH_SECONDS) return null;
  return (inputs.weights.sizeBytes + (inputs.head?.sizeBytes ?? 0)) / 1e6 / seconds;
}

function isSame(a: CalibrationEntry, b: CalibrationEntry): boolean {
  return a.config === b.config && a.deviceName === b.deviceName && a.precision === b.precision;
}
