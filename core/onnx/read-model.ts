import { BadData } from '../config/failures.ts';
import { checkExpansion, type FunctionCalls } from './expand-functions.ts';
import { type ModelValue, readValue } from './read-value.ts';
import { bytesOf, type Field, type FieldBudget, fieldsOf, integerOf, textOf } from './wire.ts';

/** An operator that the model's graph, a graph within it, or one of its functions calls. */
export interface OperatorUse {
  domain: string;
  name: string;
  /** Of its domain, where it is called; undefined if the model doesn't import the domain. */
  opset: number | undefined;
}

/** A file beside the model that holds tensors. */
export interface ExternalFile {
  location: string;
  /** Up to where it is read; 0 if the model leaves that to the file. */
  endBytes: number;
}

/** What a model file says, weights and attributes' values aside. */
export interface OnnxModel {
  irVersion: number;
  producer: string;
  /** Without those that an initializer gives. */
  inputs: ModelValue[];
  outputs: ModelValue[];
  opsets: Map<string, number>;
  operators: OperatorUse[];
  /** `domain::name` of the model's own functions. */
  functions: Set<string>;
  externalFiles: ExternalFile[];
  isTraining: boolean;
}

/** Safety limits. A protobuf has at most 2 GB; the largest exported model has some 100,000 nodes. */
export const MAX_BYTES = 2 ** 31 - 1;
const MAX_FIELDS = 50_000_000;
const MAX_NODES = 1_000_000;
const MAX_TENSORS = 1_000_000;
const MAX_VALUES = 1000;
const MAX_FUNCTIONS = 2000;
/** Of graphs within graphs: an If in a Loop in a Scan … */
const MAX_DEPTH = 32;

/** Field numbers of onnx.proto. @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const MODEL = { irVersion: 1, producer: 2, graph: 7, opset: 8, training: 20, functions: 25 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 };
const NODE = { operator: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparse: 22, sparses: 23 };
const FUNCTION = { name: 1, node: 7, opset: 9, domain: 10 };
const TENSOR = { name: 8, external: 13, location: 14 };
const EXTERNAL = 1;
const SPARSE = { values: 1, indices: 2 };
const OPSET = { domain: 1, version: 2 };
const ENTRY = { key: 1, value: 2 };

/** What is gathered while a file is walked through. */
interface Walk {
  budget: FieldBudget;
  nodes: number;
  tensors: number;
  operators: Map<string, OperatorUse>;
  /** How often the graph, or the function that is walked through, calls each operator. */
  calls: FunctionCalls;
  files: Map<string, number>;
}

/**
 * Reads what an ONNX file needs and gives, whoever made it: nothing of it is trusted, and its weights are not looked at.
 *
 * @param name for messages
 * @throws BadData if the file is no ONNX model, or passes a limit that no model comes near
 */
export function readOnnxModel(bytes: Uint8Array, name: string): OnnxModel {
  if (bytes.length > MAX_BYTES)
    throw new BadData(`${name}: ${bytes.length} bytes; an ONNX file has at most ${MAX_BYTES}`);
  try {
    return readModel(bytes);
  } catch (error) {
    if (!(error instanceof BadData)) throw error;
    throw new BadData(`${name}: not an ONNX model that can be read: ${error.message}`);
  }
}

function readModel(bytes: Uint8Array): OnnxModel {
  const walk: Walk = {
    budget: { left: MAX_FIELDS },
    nodes: 0,
    tensors: 0,
    operators: new Map(),
    calls: new Map(),
    files: new Map(),
  };
  const opsets = new Map<string, number>();
  const functions: Uint8Array[] = [];
  let graph: Uint8Array | null = null;
  let irVersion = 0;
  let producer = '';
  let isTraining = false;
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === MODEL.irVersion) irVersion = integerOf(field);
    else if (field.number === MODEL.producer) producer = textOf(field);
    else if (field.number === MODEL.opset) addOpset(opsets, field, walk);
    else if (field.number === MODEL.training) isTraining = true;
    else if (field.number === MODEL.functions) functions.push(bytesOf(field));
    else if (field.number === MODEL.graph) {
      // Protobuf would merge the two.
      if (graph) throw new BadData('it has two graphs');
      graph = bytesOf(field);
    }
  }
  if (!graph || irVersion < 1) throw new BadData('it has no graph, or no IR version');
  if (functions.length > MAX_FUNCTIONS) throw new BadData(`more than ${MAX_FUNCTIONS} functions`);
  const { inputs, outputs } = walkGraph(graph, opsets, walk, 1);
  const own = new Map(functions.map((one) => walkFunction(one, opsets, walk)));
  checkExpansion(walk.calls, own, MAX_NODES);
  return {
    irVersion,
    producer,
    inputs,
    outputs,
    opsets,
    operators: [...walk.operators.values()],
    functions: new Set(own.keys()),
    externalFiles: [...walk.files].map(([location, endBytes]) => ({ location, endBytes })),
    isTraining,
  };
}

function addOpset(opsets: Map<string, number>, field: Field, walk: Walk): void {
  let domain = '';
  let version = 0;
  for (const part of fieldsOf(bytesOf(field), walk.budget)) {
    if (part.number === OPSET.domain) domain = textOf(part);
    else if (part.number === OPSET.version) version = integerOf(part);
  }
  opsets.set(standardDomain(domain), version);
}

/** Both names mean ONNX's own operators. */
function standardDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function walkGraph(bytes: Uint8Array, opsets: Map<string, number>, walk: Walk, depth: number) {
  if (depth > MAX_DEPTH) throw new BadData(`graphs within graphs, more than ${MAX_DEPTH} deep`);
  const inputs: ModelValue[] = [];
  const outputs: ModelValue[] = [];
  const initializers = new Set<string>();
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === GRAPH.node) walkNode(bytesOf(field), opsets, walk, depth);
    else if (field.number === GRAPH.initializer) initializers.add(walkTensor(bytesOf(field), walk));
    else if (field.number === GRAPH.sparseInitializer) initializers.add(walkSparse(bytesOf(field), walk));
    else if (field.number === GRAPH.input) inputs.push(readValue(bytesOf(field), walk.budget));
    else if (field.number === GRAPH.output) outputs.push(readValue(bytesOf(field), walk.budget));
    if (inputs.length + outputs.length > MAX_VALUES)
      throw new BadData(`more than ${MAX_VALUES} inputs and outputs`);
  }
  return { inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs };
}

function walkNode(bytes: Uint8Array, opsets: Map<string, number>, walk: Walk, depth: number): void {
  walk.nodes += 1;
  if (walk.nodes > MAX_NODES) throw new BadData(`more than ${MAX_NODES} nodes`);
  let domain = '';
  let name = '';
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === NODE.operator) name = textOf(field);
    else if (field.number === NODE.domain) domain = standardDomain(textOf(field));
    else if (field.number === NODE.attribute) walkAttribute(bytesOf(field), opsets, walk, depth);
  }
  const opset = opsets.get(domain);
  const callee = `${domain}::${name}`;
  walk.calls.set(callee, (walk.calls.get(callee) ?? 0) + 1);
  walk.operators.set(`${domain}::${name}::${opset}`, { domain, name, opset });
}

function walkAttribute(bytes: Uint8Array, opsets: Map<string, number>, walk: Walk, depth: number): void {
  for (const field of fieldsOf(bytes, walk.budget)) {
    const { number } = field;
    if (number === ATTRIBUTE.graph || number === ATTRIBUTE.graphs)
      walkGraph(bytesOf(field), opsets, walk, depth + 1);
    else if (number === ATTRIBUTE.tensor || number === ATTRIBUTE.tensors) walkTensor(bytesOf(field), walk);
    else if (number === ATTRIBUTE.sparse || number === ATTRIBUTE.sparses) walkSparse(bytesOf(field), walk);
  }
}

/** @returns its name, as calls have it, and what it calls */
function walkFunction(
  bytes: Uint8Array,
  ofModel: Map<string, number>,
  walk: Walk,
): [name: string, calls: FunctionCalls] {
  let domain = '';
  let name = '';
  const opsets = new Map(ofModel);
  const nodes: Uint8Array[] = [];
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === FUNCTION.name) name = textOf(field);
    else if (field.number === FUNCTION.domain) domain = textOf(field);
    else if (field.number === FUNCTION.opset) addOpset(opsets, field, walk);
    else if (field.number === FUNCTION.node) nodes.push(bytesOf(field));
  }
  const within: Walk = { ...walk, calls: new Map() };
  for (const node of nodes) walkNode(node, opsets, within, 1);
  walk.nodes = within.nodes;
  walk.tensors = within.tensors;
  return [`${domain}::${name}`, within.calls];
}

/** @returns the tensor's name */
function walkTensor(bytes: Uint8Array, walk: Walk): string {
  walk.tensors += 1;
  if (walk.tensors > MAX_TENSORS) throw new BadData(`more than ${MAX_TENSORS} tensors`);
  let name = '';
  let isExternal = false;
  const entries = new Map<string, string>();
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === TENSOR.name) name = textOf(field);
    else if (field.number === TENSOR.location) isExternal = integerOf(field) === EXTERNAL;
    else if (field.number === TENSOR.external) addEntry(entries, bytesOf(field), walk);
  }
  if (isExternal) addExternal(entries, name, walk);
  return name;
}

function walkSparse(bytes: Uint8Array, walk: Walk): string {
  let name = '';
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === SPARSE.values) name = walkTensor(bytesOf(field), walk);
    else if (field.number === SPARSE.indices) walkTensor(bytesOf(field), walk);
  }
  return name;
}

function addEntry(entries: Map<string, string>, bytes: Uint8Array, walk: Walk): void {
  let key = '';
  let value = '';
  for (const field of fieldsOf(bytes, walk.budget)) {
    if (field.number === ENTRY.key) key = textOf(field);
    else if (field.number === ENTRY.value) value = textOf(field);
  }
  entries.set(key, value);
}

function addExternal(entries: Map<string, string>, tensor: string, { files }: Walk): void {
  const location = entries.get('location') ?? '';
  const [offset, length] = ['offset', 'length'].map((key) => {
    const text = entries.get(key) ?? '0';
    if (!/^\d{1,15}$/.test(text))
      throw new BadData(`${tensor}: its external ${key} is '${text.slice(0, 40)}'`);
    return Number(text);
  });
  files.set(location, Math.max(files.get(location) ?? 0, offset! + length!));
}
