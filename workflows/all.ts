import { EvalMIoU } from './eval-miou.ts';
import { ReproduceTable } from './reproduce-table.ts';
import { StageDataset, StageWeights } from './stage.ts';
import { Train } from './train.ts';
import { unknownType } from './unknown-type.ts';

/**
 * Every workflow type by its name: what `temporal workflow start --type …` can start. `TrainHead` is what earlier versions
 * called `Train`: their runs go on under it, and it can still be started.
 */
export { EvalMIoU, ReproduceTable, StageDataset, StageWeights, Train, Train as TrainHead };
/** By the SDK's convention, what runs for any other type. */
export default unknownType(Object.keys({ EvalMIoU, ReproduceTable, StageDataset, StageWeights, Train }));
