import type { Results } from '../../core/config/results.ts';
import { CLASS_METRICS, MEAN_METRICS, type Share } from '../../core/metric/metrics.ts';

/** What mmseg's scripts read: shares with four decimals under `aAcc`, `mIoU`, `mAcc`, `IoU.wall`, `Acc.wall`, … */
export interface MmsegEval {
  config: string;
  metric: Record<string, Share>;
}

/**
 * The results in the shape of mmsegmentation's tools/test.py.
 *
 * mmseg rounds to two decimals of a percent and divides by 100 again; so do we. Where it writes
 * `NaN`, which is no JSON, this is null: Python reads both, and nothing else would read the first.
 *
 * @see mmseg 0.30 tools/test.py and `CustomDataset.evaluate`
 */
export function mmsegEval(
  config: string,
  { metrics, perClass }: Pick<Results, 'metrics' | 'perClass'>,
): MmsegEval {
  // The order of mmseg's own file: means, then one metric after the other.
  const named = CLASS_METRICS.filter((key) => perClass[0]?.[key] !== undefined);
  return {
    config,
    metric: {
      ...Object.fromEntries(
        MEAN_METRICS.filter((key) => metrics[key] !== undefined).map((key) => [key, rounded(metrics[key]!)]),
      ),
      ...Object.fromEntries(
        named.flatMap((key) => perClass.map((row) => [`${key}.${row.name}`, rounded(row[key] ?? null)])),
      ),
    },
  };
}

/** `eval_single_scale_YYYYMMDD_HHMMSS.json` (`multi` with augmentation): when the test began, in UTC. */
export function mmsegEvalFileName(startedAt: string, scale: 'single' | 'multi'): string {
  const [date, time] = new Date(startedAt).toISOString().replace(/\..*/, '').replace(/[-:]/g, '').split('T');
  return `eval_${scale}_scale_${date}_${time}.json`;
}

function rounded(share: Share): Share {
  return share === null ? null : Math.round(share * 10_000) / 10_000;
}
