import type { z } from 'zod';
import { DoctorSchema } from '../../cli/doctor/finding.ts';
import { CancelledSchema } from '../../cli/runs/cancel.ts';
import { LogLineSchema } from '../../cli/runs/logs.ts';
import { ProgressViewSchema } from '../../cli/runs/progress-view.ts';
import { RunPictureSchema } from '../../cli/runs/run-picture.ts';
import { RunListSchema } from '../../cli/runs/run-row.ts';
import { WhySchema } from '../../cli/runs/why.ts';
import { SchedulesSchema } from '../../cli/schedule/manage.ts';
import {
  ConfigListSchema,
  CopiedSchema,
  LeftoversSchema,
  StartedSchema,
} from '../../core/config/command-output.ts';
import { ComparisonSchema } from '../../core/config/comparison.ts';
import { ConfigSchema, DatasetClassesSchema } from '../../core/config/config.ts';
import { EvalInputSchema } from '../../core/config/eval.ts';
import { RunMemoSchema } from '../../core/config/listing.ts';
import { DatasetManifestSchema, WeightsManifestSchema } from '../../core/config/manifests.ts';
import { NoticeSchema } from '../../core/config/notify.ts';
import { ResultsSchema } from '../../core/config/results.ts';
import { IndexSchema } from '../../core/config/run-index.ts';
import { StageDatasetInputSchema, StagedSchema, StageWeightsInputSchema } from '../../core/config/stage.ts';
import { TableInputSchema, TableSchema } from '../../core/config/table.ts';
import { TrainResultsSchema } from '../../core/config/train-results.ts';
import { TrainInputSchema } from '../../core/config/train-run.ts';
import { CalibrationSchema } from '../../core/plan/calibration.ts';
import { PlanReportSchema } from '../../core/plan/report.ts';

/** A document that users write or read, described by its schema. */
export interface Described {
  title: string;
  intro: string;
  schema: z.ZodType;
}

/** A page of the reference that holds tables of fields. */
export interface SchemaPage {
  file: string;
  title: string;
  intro: string;
  /** As it is written by users, or as it is read by them: a default is left out in the one, and there in the other. */
  io: 'input' | 'output';
  documents: Described[];
}

export const SCHEMA_PAGES: SchemaPage[] = [
  {
    file: 'config.md',
    title: 'Config',
    intro:
      'A config is a YAML or JSON file. `tessera configs` lists those that come with Tessera; `tessera configs NAME` prints one as ' +
      'it resolves. A file of your own may begin with `base:`, a file beside it or a name from that list: objects are ' +
      'merged key by key, everything else is replaced. `dataset` may name a YAML file beside it that holds the ' +
      'whole section, its `name` and its `classes`. `--cfg-options key.path=value` overrides single fields. A key that does not ' +
      'exist is refused with the nearest one that does.',
    io: 'input',
    documents: [
      { title: 'Config', intro: '', schema: ConfigSchema },
      {
        title: 'Classes of a dataset',
        intro: 'A file in `configs/datasets`, or one beside your config that `dataset.classes` names.',
        schema: DatasetClassesSchema,
      },
    ],
  },
  {
    file: 'inputs.md',
    title: 'Inputs of workflows',
    intro:
      'What `temporal workflow start --type TYPE --task-queue tessera --input-file FILE` takes. The commands of `tessera` ' +
      'make the same inputs.',
    io: 'input',
    documents: [
      { title: 'EvalMIoU', intro: 'Evaluates a checkpoint. `tessera run`.', schema: EvalInputSchema },
      {
        title: 'Train',
        intro: 'Trains a head, or every parameter. `tessera train`.',
        schema: TrainInputSchema,
      },
      {
        title: 'ReproduceTable',
        intro: 'Trains and evaluates several configs. `tessera reproduce`.',
        schema: TableInputSchema,
      },
      {
        title: 'StageDataset',
        intro: 'Uploads a split of a dataset. `tessera stage dataset`.',
        schema: StageDatasetInputSchema,
      },
      {
        title: 'StageWeights',
        intro: 'Uploads a checkpoint. `tessera stage weights`.',
        schema: StageWeightsInputSchema,
      },
    ],
  },
  {
    file: 'results.md',
    title: 'Published documents',
    intro:
      'Objects that runs and staging publish to S3. Each results document lies beside its JSON Schema. Fields are only ' +
      'ever added within a version.',
    io: 'output',
    documents: [
      {
        title: 'results.json of an evaluation',
        intro: 'Shares lie between 0 and 1; null stands for "not defined", mmseg\'s nan.',
        schema: ResultsSchema,
      },
      { title: 'results.json of a training', intro: '', schema: TrainResultsSchema },
      { title: 'table.json', intro: 'Of `ReproduceTable`.', schema: TableSchema },
      {
        title: 'Manifest of a dataset',
        intro: '`<dataset>/<split>.manifest.json`.',
        schema: DatasetManifestSchema,
      },
      { title: 'Manifest of weights', intro: '`<weights>.manifest.json`.', schema: WeightsManifestSchema },
    ],
  },
  {
    file: 'json.md',
    title: 'JSON of commands',
    intro:
      'What commands print with `--json`. `tessera run`, `train` and `results` print [the published document](results.md).',
    io: 'output',
    documents: [
      { title: 'tessera ls', intro: 'A list of runs, the latest first.', schema: RunListSchema },
      { title: 'tessera status', intro: '', schema: RunPictureSchema },
      {
        title: 'Progress',
        intro: '`progress` of `tessera status`.',
        schema: ProgressViewSchema,
      },
      { title: 'tessera why', intro: '', schema: WhySchema },
      { title: 'tessera logs', intro: 'One object for each line.', schema: LogLineSchema },
      { title: 'tessera cancel', intro: '', schema: CancelledSchema },
      {
        title: 'tessera run --no-wait',
        intro: 'Also `train`, `reproduce` and `rerun` with `--no-wait`.',
        schema: StartedSchema,
      },
      { title: 'tessera get', intro: '', schema: CopiedSchema },
      { title: 'tessera plan', intro: '', schema: PlanReportSchema },
      {
        title: 'Calibration file',
        intro: 'YAML or JSON, for `tessera plan --calibration`.',
        schema: CalibrationSchema,
      },
      { title: 'tessera compare', intro: '', schema: ComparisonSchema },
      { title: 'tessera index', intro: '', schema: IndexSchema },
      { title: 'tessera schedule ls', intro: '', schema: SchedulesSchema },
      { title: 'tessera doctor', intro: '', schema: DoctorSchema },
      { title: 'tessera stage', intro: '', schema: StagedSchema },
      { title: 'tessera configs', intro: 'With a name: the config itself.', schema: ConfigListSchema },
      { title: 'tessera leftovers', intro: '', schema: LeftoversSchema },
      { title: 'Notice', intro: 'What `run.notify` posts when a run ends.', schema: NoticeSchema },
      {
        title: 'Memo of a run',
        intro: "The key `tessera` of a workflow's memo in Temporal.",
        schema: RunMemoSchema,
      },
    ],
  },
];

/** Folders whose sources declare these schemas. */
export const SCHEMA_SOURCES = [
  'core/config',
  'core/plan',
  'core/train',
  'cli/runs',
  'cli/doctor',
  'cli/schedule',
];
