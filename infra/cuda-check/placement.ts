import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { ELEMENT_TYPE, elementTypeName, resultType } from '../../core/onnx/element-types.ts';
import { type GraphProto, ModelProtoSchema, type NodeProto } from '../../core/onnx/onnx_pb.ts';

const OPEN_VERBOSE = fileURLToPath(new URL('./open-verbose.mjs', import.meta.url));
/** Of a model of 3,000 nodes the log has some megabytes. */
const MAX_LOG_BYTES = 256e6;

/**
 * What of a model has no kernel on CUDA, as ONNX Runtime says when it may fall back.
 *
 * @param model an ONNX file
 * @param folder of its external data, if that isn't beside it
 * @returns such as `feat3: MaxPool of opset 23 on float32`; what ONNX Runtime itself has put in has no types
 */
export async function nodesWithoutKernel(model: string, folder: string | null = null): Promise<string[]> {
  const log = await verboseLog(model, folder);
  const { graph, opsetImport } = fromBinary(ModelProtoSchema, await readFile(model));
  const opset = opsetImport.find(({ domain }) => domain === '')?.version;
  const nodes = nodesOf(graph!);
  const found = new Map<string, string>();
  for (const [, op, name] of log.matchAll(
    /CUDA kernel not found in registries for Op type: (\S+) node name: (.*)/g,
  ))
    found.set(name!.trim(), op!);
  for (const [, name, op] of log.matchAll(/Force fallback to CPU execution for node: (\S+).*?\((\w+)\)?/g))
    found.set(name!, op!);
  return [...found].map(([name, op]) => {
    const node = nodes.find((one) => one.node.name === name && one.node.opType === op);
    return node ? `${name}: ${op} of opset ${opset} on ${node.types.join(', ')}` : `${name}: ${op}`;
  });
}

/** What it says is worth more than whether it succeeds: half precision has few kernels on a CPU. */
function verboseLog(model: string, folder: string | null): Promise<string> {
  const args = [OPEN_VERBOSE, model, ...(folder ? [folder] : [])];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: MAX_LOG_BYTES }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}

/** Every node with its inputs' types, those of sub-graphs too. */
function nodesOf(
  graph: GraphProto,
  outer: Map<string, number> = new Map(),
): { node: NodeProto; types: string[] }[] {
  const types = new Map(outer);
  for (const { name, dataType } of graph.initializer) types.set(name, dataType);
  for (const { name, type } of graph.input)
    if (type?.value.case === 'tensorType') types.set(name, type.value.value.elemType);
  return graph.node.flatMap((node) => {
    const cast = node.attribute.find(({ name }) => name === 'to')?.i;
    const result =
      cast === undefined
        ? (ELEMENT_TYPE[resultType(node.opType)!] ?? types.get(node.input[0]!))
        : Number(cast);
    if (result !== undefined) for (const output of node.output) types.set(output, result);
    const inputs = node.input.filter((input) => input !== '');
    const own = {
      node,
      types: inputs.map((input) => elementTypeName(types.get(input) ?? 0) ?? 'an unknown type'),
    };
    const bodies = node.attribute.flatMap(({ g }) => (g ? nodesOf(g, types) : []));
    return [own, ...bodies];
  });
}
