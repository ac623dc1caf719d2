import { create, toBinary } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import type { Config } from '../config/config.ts';
import type { Results } from '../config/results.ts';
import { flatParameters } from '../report/parameters.ts';
import { evaluationScalars, type Scalars, startSeconds, trainingScalars } from '../report/scalars.ts';
import { joinUri } from '../store.ts';
import type { LogLine } from '../train/train-log.ts';
import { HParamsPluginDataSchema } from './event_pb.ts';
import { eventFile } from './records.ts';

/** What the HParams tab shows of a config: what somebody varies. */
const VARIED =
  /^(name$|run\.precision|train\.(?!logEvery|checkpointEvery|evaluateEvery)|model\.head|pipeline\.)/;

/** Where a run's event file lies. One name for all attempts: TensorBoard would show a second file's steps again. */
export function eventFileUri(prefix: string): string {
  return joinUri(prefix, 'tensorboard', 'events.out.tfevents.tessera');
}

/** A training's event file: of a longer log, the same bytes with more behind them, as TensorBoard expects it. */
export function trainingEvents(lines: LogLine[], config: Config): Uint8Array {
  const scalars = trainingScalars(lines, config.train?.batch ?? 1);
  return events(startSeconds(lines), scalars, config);
}

export function evaluationEvents(results: Results): Uint8Array {
  return events(Date.parse(results.run.startedAt) / 1000, [evaluationScalars(results)], results.run.config);
}

function events(startedAt: number, scalars: Scalars[], config: Config): Uint8Array {
  return eventFile(startedAt, [
    hyperparameters(config, startedAt),
    ...scalars.map(({ step, seconds, values }) => ({
      wallTime: seconds,
      step: BigInt(step),
      what: {
        case: 'summary' as const,
        value: {
          value: Object.entries(values).map(([tag, value]) => ({
            tag,
            value: { case: 'simpleValue' as const, value },
          })),
        },
      },
    })),
  ]);
}

/** @see tensorboard `plugins/hparams/summary_v2.py` */
function hyperparameters(config: Config, startedAt: number) {
  const varied = Object.entries(flatParameters(config)).filter(([name]) => VARIED.test(name));
  const info = create(HParamsPluginDataSchema, {
    data: {
      case: 'sessionStartInfo',
      value: {
        hparams: Object.fromEntries(
          varied.map(([name, value]) => [name, create(ValueSchema, { kind: kindOf(value) })]),
        ),
        startTimeSecs: startedAt,
      },
    },
  });
  const content = toBinary(HParamsPluginDataSchema, info);
  const value = [
    { tag: '_hparams_/session_start_info', metadata: { pluginData: { pluginName: 'hparams', content } } },
  ];
  return { wallTime: startedAt, what: { case: 'summary' as const, value: { value } } };
}

function kindOf(value: string | number | boolean) {
  if (typeof value === 'number') return { case: 'numberValue' as const, value };
  if (typeof value === 'boolean') return { case: 'boolValue' as const, value };
  return { case: 'stringValue' as const, value };
}
