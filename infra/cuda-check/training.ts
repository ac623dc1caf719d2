import Table from 'cli-table3';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import type { StatePlace } from '../../core/train/training-memory.ts';
import { type CountedChain, type CountedCopies, countChain, expectedOfChain } from './count-chain.ts';

/*
 * `npm run check:cuda -- --training`: what a step of every parameter of the 6B takes of a GPU, 16 crops in groups of 8,
 * counted on the fake CUDA at the true widths; beside it what core/train/training-memory.ts expects. On the device all
 * blocks are counted. On the host a block takes 1.7 GB of this machine: two depths are counted, and the rest is in
 * proportion. It takes two minutes.
 */

/** More than any of these take: what is counted here is never refused. */
process.env.FAKE_CUDA_MEMORY = '500e9';

const FEW_SHOT = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
const FULL = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5';
const WHOLE = 48;
const FEW = [2, 4] as const;

const table = new Table({
  head: [
    'row',
    'state',
    'blocks',
    'opened, GB',
    'at most, GB',
    'expected, GB',
    'to the GPU',
    'from it',
    'within it',
    'launches',
  ],
  style: { head: [], border: [] },
});
for (const blocks of [...FEW, WHOLE]) {
  const config = await configOf(FEW_SHOT, 'device', blocks);
  add('few-shot', config, await count(config));
}
const config = await configOf(FULL, 'device', WHOLE);
add('full tuning', config, await count(config));
const counted: CountedChain[] = [];
for (const blocks of FEW) {
  const config = await configOf(FEW_SHOT, 'host', blocks);
  const found = await count(config);
  counted.push(found);
  add('few-shot', config, found);
}
add(
  'few-shot, in proportion',
  await configOf(FEW_SHOT, 'host', WHOLE),
  inProportion(counted[0]!, counted[1]!),
);
console.log(table.toString());

async function configOf(name: string, state: StatePlace, blocks: number): Promise<TrainableConfig> {
  const overrides = ['run.device=cuda', `run.state=${state}`];
  if (blocks < WHOLE) overrides.push(`model.backbone.depth=${blocks}`, `model.backbone.taps=[${blocks - 1}]`);
  return vitConfig(applyOverrides(await loadVitConfig(name), overrides, name)) as TrainableConfig;
}

function count(config: TrainableConfig): Promise<CountedChain> {
  process.stderr.write(`${config.name}: ${config.model.backbone.depth} blocks, ${config.run.state}\n`);
  return countChain(config);
}

function add(
  row: string,
  config: TrainableConfig,
  { open, peak, up, down, within, launches }: CountedChain,
): void {
  const state = config.run.state as StatePlace;
  const expected = expectedOfChain(config);
  const copied = ({ number, bytes }: CountedCopies) => `${number}: ${(bytes / 1e6).toFixed(1)} MB`;
  const memory = [open, peak, expected].map((bytes) => (bytes / 1e9).toFixed(1));
  const { depth } = config.model.backbone;
  table.push([row, state, depth, ...memory, copied(up), copied(down), copied(within), launches]);
}

/** Of all blocks, from the counts of a few. */
function inProportion(few: CountedChain, more: CountedChain): CountedChain {
  const whole = (a: number, b: number) => a + ((b - a) * (WHOLE - FEW[0])) / (FEW[1] - FEW[0]);
  const copies = (of: 'up' | 'down' | 'within'): CountedCopies => ({
    number: whole(few[of].number, more[of].number),
    bytes: whole(few[of].bytes, more[of].bytes),
  });
  return {
    open: whole(few.open, more.open),
    peak: whole(few.peak, more.peak),
    grown: 0,
    closed: 0,
    up: copies('up'),
    down: copies('down'),
    within: copies('within'),
    launches: whole(few.launches, more.launches),
  };
}
