import { goldenTraining } from '../golden-beside.ts';
import type { Phase } from '../phase.ts';
import { device, WITHOUT_TF32 } from '../phases.ts';
import { blockStep } from './block-step.ts';
import { copyRates } from './copies.ts';
import { trainingNumbers } from './numbers.ts';
import { fullTuning, headStep, hostState, wholeModel } from './whole-model.ts';

/** What only a GPU shows of training, in the order of what is worth most; together within ten minutes. */
export const TRAIN_PHASES: Phase[] = [
  { name: 'device', seconds: 45, run: device },
  { name: 'block', seconds: 75, run: blockStep },
  { name: 'whole-6b', seconds: 180, run: wholeModel },
  { name: 'numbers', seconds: 60, run: trainingNumbers },
  { name: 'copies', seconds: 40, run: copyRates },
  { name: 'upernet', seconds: 75, run: headStep },
  { name: 'full-tuning', seconds: 120, run: fullTuning },
  { name: 'host-state', seconds: 60, run: hostState },
  { name: 'upernet-without-tf32', seconds: 60, env: WITHOUT_TF32, run: headStep },
  { name: 'full-training', seconds: 45, needsGolden: true, run: goldenTraining },
  {
    name: 'full-training-without-tf32',
    seconds: 45,
    needsGolden: true,
    env: WITHOUT_TF32,
    run: goldenTraining,
  },
];
