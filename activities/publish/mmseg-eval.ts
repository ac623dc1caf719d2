import type { Results } from '../../core/config/results.ts';
import type { Share } from '../../core/metric/metrics.ts';

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
  const perMetric = (key: 'IoU' | 'Acc') => perClass.map((row) => [`${key}.${row.name}`, rounded(row[key])]);
  return {
    config,
    metric: {
      aAcc: rounded(metrics.aAcc),
      mIoU: rounded(metrics.mIoU),
      mAcc: rounded(metrics.mAcc),
      ...Object.fromEntries([...perMetric('IoU'), ...perMetric('Acc')]),
    },
  };
}

/** `eval_single_scale_YYYYMMDD_HHMMSS.json`: the time when the test began, in UTC. */
export function mmsegEvalFileName(startedAt: string): string {
  const [date, time] = new Date(startedAt).toISOString().replace(/\..*/, '').replace(/[-:]/g, '').split('T');
  return `eval_single_scale_${date}_${time}.json`;
}

function rounded(share: Share): Share {
  return share === null ? null : Math.round(share * 10_000) / 10_000;
}
