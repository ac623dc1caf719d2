import { expect, test } from 'vitest';
import { openSession, runSession, tensor } from '../../../../activities/onnx/session.ts';
import { gradientOutput } from '../../../../core/model/chain/backbone-stages.ts';
import { chainSpecs } from '../../../../core/model/chain/chain-plan.ts';
import {
  headStageGraph,
  headStageOf,
  LABELS,
  runningOutput,
  tapInput,
  tapShape,
} from '../../../../core/model/chain/head-stage.ts';
import { isParameter } from '../../../../core/model/head.ts';
import { drawsAt } from '../../../../core/train/draws.ts';
import { trainable } from '../training-run.ts';
import { tinyChain } from './tiny-chain.ts';

const UPERNET = [
  'model.head={"type":"upernet","channels":8,"poolScales":[1,2],"classes":150}',
  'model.auxiliaryHead={"channels":8,"level":1,"classes":150}',
  'model.backbone.depth=4',
  'model.backbone.taps=[0,1,2,3]',
];

test('UperNet in two stages has the gradients and statistics of one graph', async () => {
  const config = trainable(...UPERNET);
  const stage = headStageOf(config);
  const draws = drawsAt(5, 'taps', 0);
  const inputs = config.model.backbone.taps.map(() => {
    const length = tapShape(stage).reduce((count, dim) => count * dim, 1);
    return Float32Array.from({ length }, () => draws.normal());
  });
  const labels: Uint8Array[] = [];
  const gradients = new Map<string, Float32Array>();
  using chain = await tinyChain(config, {
    observer: { gradient: (name, { data }) => gradients.set(name, Float32Array.from(data as Float32Array)) },
  });
  const before = new Map(
    chainSpecs(config).map(({ name, shape }) => [
      name,
      tensor(Float32Array.from(chain.chain.state.part(name, 'value')), shape),
    ]),
  );
  chain.step(0, inputs, labels);

  const session = await openSession(headStageGraph(stage), { device: 'cpu', threads: 1 });
  const size = config.model.backbone.imageSizePx;
  const feeds = {
    ...Object.fromEntries(before),
    ...Object.fromEntries(inputs.map((data, tap) => [tapInput(tap), tensor(data, tapShape(stage))])),
    [LABELS]: tensor(labels[0]!, [config.train.batch, size, size]),
  };
  const whole = await runSession(session, feeds, 'cpu');
  await session.release();

  for (const { name } of chainSpecs(config)) {
    const [found, output] = isParameter({ name })
      ? [gradients.get(name)!, gradientOutput(name)]
      : [chain.chain.state.part(name, 'value'), runningOutput(name)];
    const expected = whole[output]!.data as Float32Array;
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    for (const [i, value] of expected.entries())
      expect(Math.abs(found[i]! - value) / scale, name).toBeLessThan(1e-4);
  }
});
