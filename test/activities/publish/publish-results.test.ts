import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createPublish, type PublishInput } from '../../../activities/publish/publish-results.ts';
import { Unavailable } from '../../../core/config/failures.ts';
import { ResultsSchema } from '../../../core/config/results.ts';
import { decodeMatrix, encodeMatrix, matrixFromBytes } from '../../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../../core/metric/metrics.ts';
import { memoryStore } from './memory-store.ts';
import { FINISHED_MS, plausibleMatrix, publishInput } from './publish-input.ts';

const PREFIX = publishInput().outputPrefix;

async function publish(input: PublishInput, memory = memoryStore(), now = FINISHED_MS) {
  const published = await createPublish(memory.store, () => now).publishResults(input);
  return {
    ...memory,
    published,
    results: () => ResultsSchema.parse(JSON.parse(memory.text(`${PREFIX}/results.json`))),
  };
}

describe('publishResults', () => {
  it('writes everything, and results.json last', async () => {
    const { published, writes } = await publish(publishInput());
    const { perClass, ...metrics } = matrixMetrics(plausibleMatrix());
    expect(published).toEqual({
      metrics,
      resultsUri: `${PREFIX}/results.json`,
      reportUri: `${PREFIX}/report.html`,
      status: 'written',
    });
    expect(writes.map((uri) => uri.slice(PREFIX.length + 1))).toEqual([
      'confusion_matrix.bin',
      'results.schema.json',
      'eval_single_scale_20260301_091204.json',
      'report.html',
      'results.json',
    ]);
  });

  it('gives the metrics of the matrix, and the matrix itself with its digest', async () => {
    const input = publishInput();
    const { results, objects } = await publish(input);
    const { confusionMatrix, metrics, perClass } = results();
    const bytes = objects.get(confusionMatrix.uri)!;
    expect(matrixFromBytes(bytes)).toEqual(decodeMatrix(input.matrix));
    expect(confusionMatrix.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect({ ...metrics, perClass: perClass.map(({ name, ...row }) => row) }).toEqual(
      matrixMetrics(decodeMatrix(input.matrix)),
    );
    expect(perClass[7]!.name).toBe('bed ');
  });

  it('leaves finished results and everything beside them as they are', async () => {
    const first = await publish(publishInput());
    const before = new Map(first.objects);
    const other = publishInput();
    const matrix = plausibleMatrix();
    matrix.counts.reverse();
    const second = await publish({ ...other, matrix: encodeMatrix(matrix) }, first, FINISHED_MS + 60_000);
    expect(second.published).toEqual({ ...first.published, status: 'exists' });
    expect(second.objects).toEqual(before);
  });

  it('gives the published metrics if another attempt was faster', async () => {
    const memory = memoryStore();
    const winner = await publish(publishInput());
    memory.store.writeOnce = async (uri) => {
      memory.objects.set(uri, winner.objects.get(uri)!);
      return 'exists';
    };
    const { published } = await publish(publishInput(), memory, FINISHED_MS + 5_000);
    expect(published).toEqual({ ...winner.published, status: 'exists' });
  });

  it.each([
    ['counts what follows the evaluation as publishing', FINISHED_MS, 1176, 7.3],
    ['never counts less than the phases, if clocks disagree', FINISHED_MS - 60_000, 1168.7, 0],
  ])('%s', async (_, now, seconds, publishSeconds) => {
    const { run, timeBudget } = (await publish(publishInput(), memoryStore(), now)).results();
    expect(run.seconds).toBeCloseTo(seconds);
    expect(timeBudget.wall.publish).toBeCloseTo(publishSeconds);
    expect(Date.parse(run.finishedAt) - Date.parse(run.startedAt)).toBeCloseTo(1000 * seconds);
  });

  it('writes the same bytes again if an attempt died half-way', async () => {
    const whole = await publish(publishInput());
    const broken = memoryStore();
    const write = broken.store.write;
    broken.store.write = async (uri, body) => {
      if (uri.endsWith('report.html')) throw new Unavailable('the store is away');
      return write(uri, body);
    };
    await expect(publish(publishInput(), broken)).rejects.toThrow(Unavailable);
    expect(broken.objects.has(`${PREFIX}/results.json`)).toBe(false);
    broken.store.write = write;
    await publish(publishInput(), broken);
    expect(broken.objects).toEqual(whole.objects);
  });

  it('embeds the overlays that are there and forgets the others', async () => {
    const memory = memoryStore({ [`${PREFIX}/overlays/a.webp`]: Buffer.from('picture') });
    const { results, text } = await publish(publishInput({ overlays: ['a', 'b'] }), memory);
    expect(results().artifacts.overlays).toEqual([{ id: 'a', uri: `${PREFIX}/overlays/a.webp` }]);
    expect(text(`${PREFIX}/report.html`)).toContain('data:image/webp;base64,cGljdHVyZQ==');
  });

  it('fails if an overlay cannot be read for now', async () => {
    const memory = memoryStore();
    memory.store.read = async () => {
      throw new Unavailable('slow down');
    };
    await expect(publish(publishInput({ overlays: ['a'] }), memory)).rejects.toThrow('slow down');
  });

  it.each<[string, Partial<PublishInput>, RegExp]>([
    [
      'a matrix of other classes',
      { matrix: encodeMatrix(plausibleMatrix(10)) },
      /10 classes, dataset ADE20K has 150/,
    ],
    [
      'a matrix with other pixels than were proved',
      { coverage: { ...publishInput().coverage, labelledPixels: 1 } },
      /coverage proved 1$/,
    ],
    [
      'values that results.json does not allow',
      { cost: { ...publishInput().cost, workerSeconds: -1 } },
      /results.json: cost.workerSeconds: /,
    ],
  ])('writes nothing for %s', async (_, changes, message) => {
    const memory = memoryStore();
    await expect(publish(publishInput(changes), memory)).rejects.toThrow(message);
    expect(memory.writes).toEqual([]);
  });
});
