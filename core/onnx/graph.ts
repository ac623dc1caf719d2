import { create, toBinary } from '@bufbuild/protobuf';
import type { DType } from '../config/manifests.ts';
import { ELEMENT_TYPE, elementTypeName, resultType } from './element-types.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from './onnx_pb.ts';

/** The name of a tensor in a graph under construction. */
export type Value = string & { readonly __value: unique symbol };

/** A dimension: fixed, or named where it differs from run to run. */
export type Dim = number | string;

export type Attribute = number | string | number[] | { float: number } | GraphBuilder;

/** Where an initializer's bytes lie: a file in the model's folder (or below it), and a byte range. */
export interface ExternalBytes {
  location: string;
  offset: number;
  length: number;
}

/** What was called for in a graph, as the caller put it: what is differentiated. A composite counts as one. */
export interface Call {
  op: string;
  inputs: Value[];
  outputs: Value[];
  attributes: Record<string, Attribute>;
}

/** Operator sets in use: 23 brings Attention and RMSNormalization, IR 11 goes with it. */
const OPSET = 23n;
const IR_VERSION = 11n;

/**
 * Builds one ONNX graph, a node at a time: values in, values out.
 * A sub-graph (a Scan's body) is another builder that may name the outer one's values.
 */
export class GraphBuilder {
  readonly #graph: GraphProto;
  readonly #prefix: string;
  #count = 0;
  #isWithin = false;
  /** In order; nodes of a composite are left out. */
  readonly calls: Call[] = [];
  /** Of inputs and initializers. */
  readonly shapes = new Map<Value, Dim[]>();
  readonly #integers = new Map<Value, number[]>();
  readonly #types = new Map<Value, DType>();

  constructor(name: string, prefix = '') {
    this.#graph = create(GraphProtoSchema, { name });
    this.#prefix = prefix;
  }

  input(name: string, dtype: DType, shape: Dim[]): Value {
    this.#graph.input.push(valueInfo(name, dtype, shape));
    this.shapes.set(name as Value, shape);
    this.#types.set(name as Value, dtype);
    return name as Value;
  }

  output(value: Value, dtype: DType, shape: Dim[]): void {
    this.#graph.output.push(valueInfo(value, dtype, shape));
  }

  /** An initializer whose bytes stay where they are, in a file beside the model. */
  external(name: string, dtype: DType, shape: number[], bytes: ExternalBytes): Value {
    const tensor = this.#initializer(name, dtype, shape);
    tensor.dataLocation = DataLocation.EXTERNAL;
    tensor.externalData = Object.entries(bytes).map(([key, value]) => ({
      $typeName: 'onnx.StringStringEntryProto' as const,
      key,
      value: String(value),
    }));
    return name as Value;
  }

  /** An initializer within the model: raw little-endian bytes in C order. */
  constant(name: string, dtype: DType, shape: number[], data: ArrayBufferView): Value {
    const tensor = this.#initializer(name, dtype, shape);
    tensor.rawData = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return name as Value;
  }

  floats(name: string, values: number[], shape = [values.length]): Value {
    return this.constant(this.#prefix + name, 'float32', shape, Float32Array.from(values));
  }

  ints(values: number[]): Value {
    const data = BigInt64Array.from(values, BigInt);
    const value = this.constant(this.#fresh('ints'), 'int64', [values.length], data);
    this.#integers.set(value, values);
    return value;
  }

  /** What `ints` made a value of, such as a Reshape's shape; undefined for any other. */
  integersOf(value: Value | undefined): number[] | undefined {
    return value === undefined ? undefined : this.#integers.get(value);
  }

  /** One float32, which goes with every shape. */
  scalar(value: number): Value {
    return this.floats(this.#fresh('scalar'), [value], []);
  }

  /** One node with one output, which is named after `name` or numbered. */
  node(op: string, inputs: Value[], attributes: Record<string, Attribute> = {}, name?: string): Value {
    return this.nodes(op, inputs, attributes, [name ?? this.#fresh(op)])[0]!;
  }

  /** One node with several outputs. */
  nodes(op: string, inputs: Value[], attributes: Record<string, Attribute>, outputs: string[]): Value[] {
    this.#graph.node.push(
      create(NodeProtoSchema, {
        name: outputs[0]!,
        opType: op,
        input: inputs,
        output: outputs,
        attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      }),
    );
    const types = this.#resultTypes(op, inputs, attributes);
    for (const [i, output] of (outputs as Value[]).entries()) {
      const type = types[i] ?? types[0];
      if (type) this.#types.set(output, type);
    }
    if (!this.#isWithin) this.calls.push({ op, inputs, outputs: outputs as Value[], attributes });
    return outputs as Value[];
  }

  /** Several nodes that count as one: they are differentiated by a rule of their own. */
  composite(op: string, inputs: Value[], build: () => Value[], attributes: Call['attributes'] = {}): Value[] {
    this.#isWithin = true;
    const outputs = build();
    this.#isWithin = false;
    this.calls.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  reshape(value: Value, shape: number[], name?: string): Value {
    return this.node('Reshape', [value, this.ints(shape)], {}, name);
  }

  transpose(value: Value, perm: number[], name?: string): Value {
    return this.node('Transpose', [value], { perm }, name);
  }

  cast(value: Value, to: DType, name?: string): Value {
    return this.node('Cast', [value], { to: ELEMENT_TYPE[to] }, name);
  }

  /** The element type of a value of this graph. */
  typeOf(value: Value): DType {
    const type = this.#types.get(value);
    if (!type) throw new Error(`the type of ${value} isn't known`);
    return type;
  }

  /** The graph alone, for an attribute of another graph's node. */
  get proto(): GraphProto {
    return this.#graph;
  }

  /** The model file's bytes. */
  toBytes(): Uint8Array {
    const model = create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'tessera',
      graph: this.#graph,
      opsetImport: [{ domain: '', version: OPSET }],
    });
    return toBinary(ModelProtoSchema, model);
  }

  #initializer(name: string, dtype: DType, shape: number[]): TensorProto {
    const tensor = create(TensorProtoSchema, {
      name,
      dataType: ELEMENT_TYPE[dtype],
      dims: shape.map(BigInt),
    });
    this.#graph.initializer.push(tensor);
    this.shapes.set(name as Value, shape);
    this.#types.set(name as Value, dtype);
    return tensor;
  }

  /** The types of a node's outputs; where there are more outputs than types, the first one's. */
  #resultTypes(op: string, inputs: Value[], attributes: Call['attributes']): (DType | undefined)[] {
    if (op === 'Cast') return [elementTypeName(attributes.to as number)];
    if (attributes.body instanceof GraphBuilder)
      return attributes.body.proto.output.map(({ type }) =>
        type?.value.case === 'tensorType' ? elementTypeName(type.value.value.elemType) : undefined,
      );
    return [resultType(op) ?? this.#types.get(inputs[op === 'Where' ? 1 : 0]!)];
  }

  #fresh(op: string): string {
    this.#count += 1;
    return `${this.#prefix}${op}_${this.#count}`;
  }
}

function valueInfo(name: string, dtype: DType, shape: Dim[]) {
  const dim = shape.map((d) =>
    typeof d === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(d) } }
      : { value: { case: 'dimParam' as const, value: d } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: ELEMENT_TYPE[dtype], shape: { dim } } } },
  });
}

/** Numbers are ints unless wrapped as `{ float }`: ONNX keeps the two apart, JavaScript doesn't. */
function attribute(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  if (Array.isArray(value))
    return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  if (value instanceof GraphBuilder)
    return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: value.proto });
  return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
}
