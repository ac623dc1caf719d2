import {
  type BackboneStage,
  backwardGraph,
  forwardGraph,
} from '../../../core/model/chain/backbone-stages.ts';
import type { ChainConfig, ChainPlan, PlannedStage } from '../../../core/model/chain/chain-plan.ts';
import { type DeviceSessionOptions, Session } from '../../onnx/c-api/session.ts';

/** Sessions of a trained backbone. Blocks that train alike share one graph a direction, since parameters are inputs. */
export interface StageSessions extends Disposable {
  forward(stage: PlannedStage): Session;
  backward(stage: PlannedStage): Session;
}

/**
 * Opens the graphs of a chain's stages.
 *
 * @param constants as `inputWeights`
 * @throws as `Session.open`
 */
export async function openStages(
  config: ChainConfig,
  plan: ChainPlan,
  options: DeviceSessionOptions,
  constants: ReadonlyMap<string, Float32Array>,
): Promise<StageSessions> {
  const open = new Map<string, Session>();
  const dispose = () => {
    for (const session of open.values()) session[Symbol.dispose]();
  };
  try {
    for (const stage of plan.stages) {
      const graph = backboneStage(config, plan, stage, constants);
      const forward = forwardKey(stage);
      if (!open.has(forward)) open.set(forward, await Session.open(forwardGraph(graph), options));
      const backward = backwardKey(stage);
      if (open.has(backward)) continue;
      const trained = graph.specs.filter((_, i) => stage.trained[i]);
      open.set(backward, await Session.open(backwardGraph(graph, trained, stage.wantsInput), options));
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    forward: (stage) => open.get(forwardKey(stage))!,
    backward: (stage) => open.get(backwardKey(stage))!,
    [Symbol.dispose]: dispose,
  };
}

function backboneStage(
  { model, train }: ChainConfig,
  { group, dtype, specs }: ChainPlan,
  { kind }: PlannedStage,
  constants: ReadonlyMap<string, Float32Array>,
): BackboneStage {
  return {
    kind,
    backbone: model.backbone,
    batch: group,
    dtype,
    specs: specs[kind],
    hasDropPath: kind === 'block' && train.dropPathRate > 0,
    constants,
  };
}

function forwardKey({ kind }: PlannedStage): string {
  return `${kind} forward`;
}

function backwardKey({ kind, trained, wantsInput }: PlannedStage): string {
  return `${kind} backward ${trained.map(Number).join('')} ${wantsInput}`;
}
