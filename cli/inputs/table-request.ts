import { SUITES, type Suite, type TableInput, TableInputSchema } from '../../core/config/table.ts';
import type { TableOptions } from '../commands/reproduce.ts';
import { timestamp } from '../timestamp.ts';
import { chosenConfig } from './chosen-config.ts';
import { checked, type Request } from './request.ts';

/** What `tessera reproduce` starts. @throws BadInput for whatever is wrong with it */
export async function tableRequest(names: string[], options: TableOptions): Promise<Request<TableInput>> {
  const { weights, published, dataset, evaluationSplit, label } = options;
  const overrides = options.cfgOptions ?? [];
  const rows = await rowsOf(names, options.head ?? {}, overrides);
  return checked(
    {
      type: 'ReproduceTable',
      workflowId: options.workflowId ?? `reproduce-${timestamp(new Date())}`,
      input: (bucket) => ({
        ...rows,
        ...(weights === undefined ? {} : { weights }),
        ...(published === undefined ? {} : { published }),
        dataset,
        evaluationSplit,
        overrides,
        output: options.output ?? `s3://${bucket}/runs`,
        allowOverlap: options.allowOverlap ?? false,
        concurrency: Number(options.concurrency),
        deadlineMinutes: Number(options.deadline),
        recompute: options.recompute ?? false,
        ...(label ? { labels: label } : {}),
      }),
    },
    TableInputSchema,
  );
}

/** A suite's name alone means its rows; heads go to the rows of their configs. */
async function rowsOf(
  names: string[],
  heads: Record<string, string>,
  overrides: string[],
): Promise<Pick<TableInput, 'suite' | 'rows'>> {
  const rowOf = async (named: string) => {
    const { config } = await chosenConfig(named, overrides);
    return { config, ...(heads[named] ? { head: heads[named] } : {}) };
  };
  const rowsFor = (chosen: string[]) => Promise.all(chosen.map(rowOf));
  const [suite] = names;
  if (names.length === 1 && suite! in SUITES)
    return { suite: suite as Suite, rows: await rowsFor(Object.keys(heads)) };
  const others = Object.keys(heads).filter((config) => !names.includes(config));
  return { rows: await rowsFor([...names, ...others]) };
}
