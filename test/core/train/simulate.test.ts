import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { TrainSchema } from '../../../core/config/train.ts';
import { simulateTraining, type TrainingCosts } from '../../../core/train/simulate.ts';
import { stepCost } from '../../../core/train/step-cost.ts';
import { ASSUMED, trainingCosts } from '../../../core/train/training-costs.ts';

const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
const UPERNET = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

/** 200 steps of 4 crops in groups of 2, all of it for nothing but what a test says. */
function costs(changes: Partial<TrainingCosts> = {}): TrainingCosts {
  return {
    train: TrainSchema.parse({
      steps: 200,
      batch: 4,
      checkpointEvery: 50,
      evaluateEvery: 100,
      data: {},
      optimizer: { type: 'adamw', lr: 0.1, weightDecay: 0 },
      schedule: { type: 'poly', warmup: { steps: 0, ratio: 1 } },
      augmentation: { longPx: 8, shortPx: 8 },
    }),
    group: 2,
    windowSteps: 4,
    cropBytes: 0,
    networkBytesPerSecond: 1,
    sampleSeconds: 0,
    sendSeconds: 0,
    backboneSeconds: 0,
    receiveSeconds: 0,
    copySeconds: 0,
    gpuStepSeconds: 0,
    hostStepSeconds: 0,
    checkpointSeconds: 0,
    loadSeconds: 0,
    startSeconds: 0,
    evaluationGpuSeconds: 0,
    lossesPerHour: 0,
    noticeSeconds: 0,
    replaceSeconds: 0,
    ...changes,
  };
}
const seconds = (changes: Partial<TrainingCosts>, gpus: number) =>
  simulateTraining(costs(changes), gpus).seconds;

describe('a simulated training', () => {
  it('takes as long as the backbone, on one GPU and on more of them', () => {
    expect(seconds({ backboneSeconds: 1 }, 1)).toBeCloseTo(400);
    // The trainer has nothing but to wait: three GPUs share 200 groups of each segment.
    expect(seconds({ backboneSeconds: 1 }, 3)).toBeCloseTo(2 * 67);
  });

  it('leaves the trainer’s GPU to its head while that has work', () => {
    const busy = { backboneSeconds: 0.1, gpuStepSeconds: 1 };
    // But for the first group of a segment, and what it waits for then.
    expect(seconds(busy, 3)).toBeLessThan(201);
  });

  it('is no faster than the groups that its window has room for', () => {
    const eight = seconds({ backboneSeconds: 1 }, 9);
    expect(eight).toBeGreaterThanOrEqual(50);
    expect(seconds({ backboneSeconds: 1 }, 60)).toBe(eight);
  });

  it('is held up by whatever is slowest, and has that busy all the time', () => {
    const slow = {
      receive: { receiveSeconds: 0.25 },
      network: { cropBytes: 10, networkBytesPerSecond: 40 },
      head: { hostStepSeconds: 1 },
    };
    for (const [part, changes] of Object.entries(slow)) {
      const { seconds, busy } = simulateTraining(costs({ backboneSeconds: 0.01, ...changes }), 5);
      expect(seconds, part).toBeGreaterThan(197);
      expect(seconds, part).toBeLessThan(202);
      expect(busy[part as keyof typeof slow] / seconds, part).toBeGreaterThan(0.99);
    }
  });

  it('lets one GPU do the head in turns with the backbone, and the host beside it', () => {
    expect(seconds({ backboneSeconds: 1, gpuStepSeconds: 2 }, 1)).toBeCloseTo(800);
    expect(seconds({ backboneSeconds: 1, hostStepSeconds: 1.5 }, 1)).toBeLessThan(415);
  });

  it('pays for loading at each segment and evaluation, and for checkpoints', () => {
    const simulated = simulateTraining(
      costs({ startSeconds: 10, evaluationGpuSeconds: 40, checkpointSeconds: 3 }),
      4,
    );
    expect(simulated).toMatchObject({ trainSeconds: 32, evaluateSeconds: 40, checkpointSeconds: 12 });
  });

  it('loses no step with a feature worker, and no more than those since the checkpoint with a trainer', () => {
    const pod = { startSeconds: 5, noticeSeconds: 11, replaceSeconds: 20 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer(), (gpus, seed) => {
        const { train, ...rest } = costs({ backboneSeconds: 1, hostStepSeconds: 0.2, ...pod });
        const lossy = { ...rest, train, lossesPerHour: 40 };
        const simulated = simulateTraining(lossy, gpus, seed);
        expect(simulated.trainersLost).toBeLessThanOrEqual(simulated.losses);
        expect(simulated.repeatedSteps).toBeLessThanOrEqual(simulated.trainersLost * train.checkpointEvery);
        expect(simulated.repeatedSteps).toBeGreaterThanOrEqual(0);
        // What is given out anew may by chance end together better: a few steps less.
        expect(simulated.seconds).toBeGreaterThanOrEqual(0.9 * seconds({ ...rest }, gpus));
        expect(simulateTraining(lossy, gpus, seed)).toEqual(simulated);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a step's cost", () => {
  it("is counted from the heads' own graphs", async () => {
    const linear = stepCost(await trainable(LINEAR));
    expect(linear.parameters).toBe(2 * 3200 + 3200 * 150 + 150);
    expect(linear.forwardFlops).toBe(2 * 36 ** 2 * 3200 * 150);
    const upernet = stepCost(await trainable(UPERNET));
    // What bench-train counts of the same head; and its widest convolution alone is more than half of the work.
    expect(upernet.parameters / 1e6).toBeCloseTo(480, 0);
    const bottleneck = 2 * 144 ** 2 * 1536 * (4 * 1536) * 9;
    expect(upernet.forwardFlops).toBeGreaterThan(bottleneck);
    expect(upernet.forwardFlops).toBeLessThan(2 * bottleneck);
  });

  it('counts the loops of the loss as often as they run', async () => {
    const config = await trainable(LINEAR);
    const nodes = (batch: number, device: 'cpu' | 'cuda') =>
      stepCost({ ...config, train: { ...config.train, batch }, run: { ...config.run, device } }).nodes;
    const perImage = nodes(3, 'cpu') - nodes(2, 'cpu');
    expect(nodes(16, 'cpu') - nodes(3, 'cpu')).toBe(13 * perImage);
    // 84 tiles of 6 rows, a dozen nodes and more in each.
    expect(perImage).toBeGreaterThan(84 * 12);
    // One tile, so that a GPU has few kernels to begin.
    expect(nodes(3, 'cuda') - nodes(2, 'cuda')).toBeLessThan(2 * (perImage / 84));
  });

  it('makes a plan: features of the original size, and less ahead than the window has room for', async () => {
    const { cropBytes, windowSteps } = trainingCosts(await trainable(UPERNET), ASSUMED);
    expect(cropBytes).toBe(4 * 3200 * 36 * 36 * 2 + 504 * 504);
    expect(windowSteps).toBe(4);
    expect(trainingCosts(await trainable(LINEAR), ASSUMED).windowSteps).toBe(8);
  });
});

async function trainable(name: string) {
  const { train, ...config } = await loadVitConfig(name);
  return { ...config, train: train! };
}
