import { EvalMIoU } from './eval-miou.ts';
import { ReproduceTable } from './reproduce-table.ts';
import { StageDataset, StageWeights } from './stage.ts';
import { TrainHead } from './train-head.ts';
import { unknownType } from './unknown-type.ts';

/** Every workflow type by its name: what `temporal workflow start --type …` can start. */
export { EvalMIoU, ReproduceTable, StageDataset, StageWeights, TrainHead };
/** By the SDK's convention, what runs for any other type. */
export default unknownType(Object.keys({ EvalMIoU, ReproduceTable, StageDataset, StageWeights, TrainHead }));
