import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { evaluatedModel } from '../../../core/model/head.ts';
import {
  evaluateImages,
  extractFeatures,
  trainSteps,
  writeCheckpoints,
} from '../../../infra/cuda-check/at-work.ts';
import { cudaConfigs } from '../../../infra/cuda-check/models.ts';
import type { Bench } from './phase.ts';

/** Opens and runs every graph with fallback disabled, and reports by which provider each node ran. */
export async function placement({ device, folder, record }: Bench): Promise<void> {
  for (const [name, cuda] of await cudaConfigs('bfloat16')) {
    const precision = device === 'cuda' ? cuda.run.precision : 'float32';
    const config = { ...cuda, run: { ...cuda.run, device, precision } };
    const model = evaluatedModel(config.model);
    const own = path.join(folder, 'placement');
    const files = await writeCheckpoints(own, model);
    const { train } = config;
    const kinds: Record<string, () => Promise<unknown>> = {
      evaluation: async () => {
        const { modelFile } = await prepareModel(own, files, { ...config, model });
        await evaluateImages(modelFile, { ...config, model });
      },
      ...(train
        ? {
            features: () => extractFeatures(own, files.slice(0, 1), { ...config, train }),
            training: () => trainSteps({ ...config, train }),
          }
        : {}),
    };
    for (const [kind, work] of Object.entries(kinds)) {
      const error = await profiled(work);
      record({ config: name, kind, ...error }, `${name}, ${kind}: ${error.error ?? nodesText(error.nodes)}`);
    }
    rmSync(own, { recursive: true });
  }
}

interface Placed {
  error: string | null;
  /** Nodes by provider, with the operators of those that CUDA doesn't have. */
  nodes: Record<string, { count: number; operators: string[] }>;
}

/** One graph's failure is a line of the report: the next one may do. */
async function profiled(work: () => Promise<unknown>): Promise<Placed> {
  const profiles = process.env.TESSERA_PROFILE!;
  const error = await work().then(
    () => null,
    (failure: Error) => failure.message,
  );
  const nodes: Placed['nodes'] = {};
  for (const file of readdirSync(profiles)) {
    const seen = new Set<string>();
    for (const { cat, name, args } of JSON.parse(readFileSync(path.join(profiles, file), 'utf8'))) {
      if (cat !== 'Node' || !args?.provider || !name.endsWith('_kernel_time') || seen.has(name)) continue;
      seen.add(name);
      nodes[args.provider] ??= { count: 0, operators: [] };
      const entry = nodes[args.provider]!;
      entry.count++;
      if (args.provider !== 'CUDAExecutionProvider' && !entry.operators.includes(args.op_name))
        entry.operators.push(args.op_name);
    }
    rmSync(path.join(profiles, file));
  }
  return { error, nodes };
}

function nodesText(nodes: Placed['nodes']): string {
  const parts = Object.entries(nodes).map(
    ([provider, { count, operators }]) =>
      `${count} nodes on ${provider}${operators.length > 0 ? ` (${operators.join(', ')})` : ''}`,
  );
  return parts.join(', ') || 'opened and run';
}

/** Where the profiles of this phase's sessions go, for its environment. */
export function profileFolder(folder: string): string {
  return mkdtempSync(path.join(folder, 'profiles-'));
}
