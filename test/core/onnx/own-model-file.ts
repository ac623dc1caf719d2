import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/* ONNX files by hand, out of protobuf's own writer: with what our own graphs never have. Field numbers are onnx.proto's. */

export interface NodeFile {
  op: string;
  domain?: string;
  inputs?: string[];
  outputs?: string[];
  /** Graphs in its attributes. */
  graphs?: GraphFile[];
  /** Integers in its attributes. */
  ints?: Record<string, number[]>;
}

export interface TensorFile {
  name: string;
  dims?: number[];
  floats?: number[];
  external?: Record<string, string>;
}

export interface ValueFile {
  name: string;
  type?: number;
  shape?: (number | string)[] | null;
}

export interface GraphFile {
  nodes?: NodeFile[];
  tensors?: TensorFile[];
  sparse?: TensorFile[];
  inputs?: ValueFile[];
  outputs?: ValueFile[];
}

export interface ModelFile extends GraphFile {
  ir?: number;
  opsets?: Record<string, number>;
  functions?: { domain: string; name: string; nodes: NodeFile[]; opset?: number }[];
  training?: boolean;
  producer?: string;
}

export function modelFile(model: ModelFile): Buffer {
  const { ir = 8, opsets = { '': 17 }, functions = [], training = false, producer = 'hand' } = model;
  return message((file) => {
    integer(file, 1, ir);
    text(file, 2, producer);
    within(file, 7, (graph) => writeGraph(graph, model));
    for (const [domain, version] of Object.entries(opsets))
      within(file, 8, (opset) => {
        text(opset, 1, domain);
        integer(opset, 2, version);
      });
    if (training) within(file, 20, () => {});
    for (const { domain, name, nodes, opset } of functions)
      within(file, 25, (body) => {
        text(body, 1, name);
        for (const node of nodes) within(body, 7, (one) => writeNode(one, node));
        if (opset !== undefined) within(body, 9, (own) => integer(own, 2, opset));
        text(body, 10, domain);
      });
  });
}

function writeGraph(graph: BinaryWriter, { nodes, tensors, sparse, inputs, outputs }: GraphFile): void {
  for (const node of nodes ?? []) within(graph, 1, (one) => writeNode(one, node));
  text(graph, 2, 'graph');
  for (const tensor of tensors ?? []) within(graph, 5, (one) => writeTensor(one, tensor));
  for (const value of inputs ?? []) within(graph, 11, (one) => writeValue(one, value));
  for (const value of outputs ?? []) within(graph, 12, (one) => writeValue(one, value));
  for (const tensor of sparse ?? [])
    within(graph, 15, (one) => within(one, 1, (values) => writeTensor(values, tensor)));
}

function writeNode(node: BinaryWriter, { op, domain, inputs, outputs, graphs, ints }: NodeFile): void {
  for (const input of inputs ?? []) text(node, 1, input);
  for (const output of outputs ?? []) text(node, 2, output);
  text(node, 4, op);
  for (const graph of graphs ?? [])
    within(node, 5, (attribute) => {
      text(attribute, 1, 'body');
      within(attribute, 6, (body) => writeGraph(body, graph));
      integer(attribute, 20, 5);
    });
  for (const [name, values] of Object.entries(ints ?? {}))
    within(node, 5, (attribute) => {
      text(attribute, 1, name);
      for (const value of values) integer(attribute, 8, value);
      integer(attribute, 20, 7);
    });
  if (domain !== undefined) text(node, 7, domain);
}

function writeTensor(tensor: BinaryWriter, { name, dims, floats, external }: TensorFile): void {
  for (const dim of dims ?? [floats?.length ?? 1]) integer(tensor, 1, dim);
  integer(tensor, 2, 1);
  text(tensor, 8, name);
  if (floats) tensor.tag(9, WireType.LengthDelimited).bytes(Buffer.from(Float32Array.from(floats).buffer));
  for (const [key, value] of Object.entries(external ?? {}))
    within(tensor, 13, (entry) => {
      text(entry, 1, key);
      text(entry, 2, value);
    });
  if (external) integer(tensor, 14, 1);
}

function writeValue(value: BinaryWriter, { name, type = 1, shape = [] }: ValueFile): void {
  text(value, 1, name);
  within(value, 2, (typed) =>
    within(typed, 1, (tensor) => {
      integer(tensor, 1, type);
      if (shape === null) return;
      within(tensor, 2, (dims) => {
        for (const dim of shape)
          within(dims, 1, (one) => (typeof dim === 'number' ? integer(one, 1, dim) : text(one, 2, dim)));
      });
    }),
  );
}

export function message(write: (writer: BinaryWriter) => void): Buffer {
  const writer = new BinaryWriter();
  write(writer);
  return Buffer.from(writer.finish());
}

export function within(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).bytes(message(write));
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}
