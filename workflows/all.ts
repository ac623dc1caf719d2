/** Every workflow type by its name: what `temporal workflow start --type …` can start. */
export { EvalMIoU } from './eval-miou.ts';
export { ReproduceTable } from './reproduce-table.ts';
export { StageDataset, StageWeights } from './stage.ts';
export { TrainHead } from './train-head.ts';
