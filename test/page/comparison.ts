import { createPublish } from '../../activities/publish/publish-results.ts';
import type { Results } from '../../core/config/results.ts';
import type { PublishedRun } from '../../core/metric/compare-runs.ts';
import { type ConfusionMatrix, total } from '../../core/metric/confusion-matrix.ts';
import { stackImages, sumOfImages } from '../../core/metric/image-matrices.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { readResults } from '../../core/read-results.ts';
import { memoryStore } from '../activities/publish/memory-store.ts';
import { FINISHED_MS, publishInput } from '../activities/publish/publish-input.ts';
import { createRandom, sha256 } from '../builders.ts';

/** The published results of a run with this matrix. */
export async function resultsOf(
  workflowId: string,
  matrix: ConfusionMatrix,
  images = 2000,
): Promise<Results> {
  const { store } = memoryStore();
  const input = publishInput();
  const { resultsUri } = await createPublish(store, () => FINISHED_MS).publishResults({
    ...input,
    matrix: encodeMatrix(matrix),
    run: { ...input.run, workflowId },
    coverage: {
      ...input.coverage,
      images,
      labelledPixels: total(matrix),
      predictionsSha256: sha256(Buffer.from(encodeMatrix(matrix))),
    },
  });
  return readResults(store, resultsUri);
}

/** Two evaluations of 150 classes on 300 images; the second one finds more of every seventh class. */
export async function comparedRuns(): Promise<[PublishedRun, PublishedRun]> {
  const random = createRandom(2);
  const images: [Parameters<typeof stackImages>[1], Parameters<typeof stackImages>[1]] = [[], []];
  for (let i = 0; i < 300; i++) {
    const seen = new Set(Array.from({ length: 9 }, () => Math.floor(random() ** 2 * 149)));
    const cells = [new Map<number, number>(), new Map<number, number>()] as const;
    for (const label of seen) {
      const pixels = Math.round(500 + 9_000 * random());
      const [difficulty, taken] = [random(), Math.floor(random() ** 2 * 149)];
      for (const [run, counts] of cells.entries()) {
        const gain = run === 1 && label % 7 === 3 ? 0.08 : 0;
        const hits = Math.min(
          pixels,
          Math.round(pixels * (0.45 + 0.4 * difficulty + gain + 0.05 * random())),
        );
        counts.set(label * 151, (counts.get(label * 151) ?? 0) + hits);
        const other = label * 150 + taken;
        if (pixels > hits) counts.set(other, (counts.get(other) ?? 0) + pixels - hits);
      }
    }
    for (const [run, counts] of cells.entries()) {
      const entries = [...counts].sort(([a], [b]) => a - b);
      const counted = {
        labelledPixels: 0,
        cells: Uint32Array.from(entries, ([cell]) => cell),
        counts: Uint32Array.from(entries, ([, count]) => count),
      };
      images[run as 0 | 1].push({ id: `ADE_val_${i}`, counted });
    }
  }
  const runOf = async (name: string, part: (typeof images)[number]): Promise<PublishedRun> => {
    const perImage = stackImages(150, part);
    return { name, perImage, results: await resultsOf(name, sumOfImages(perImage), 300) };
  };
  return [await runOf('linear-baseline', images[0]), await runOf('upernet-2026-03-01', images[1])];
}
