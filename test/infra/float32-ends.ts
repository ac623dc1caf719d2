import { create, fromBinary } from '@bufbuild/protobuf';
import { ELEMENT_TYPE } from '../../core/onnx/element-types.ts';
import {
  AttributeProto_AttributeType,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
} from '../../core/onnx/onnx_pb.ts';

/** What stands behind the names of inputs and outputs that have another type inside. */
export const FLOAT32_END = ', float32';

/** The same model with float32 inputs and outputs, which are cast inside: onnxruntime-node takes no bfloat16. */
export function withFloat32Ends(bytes: Uint8Array): ModelProto {
  const model = fromBinary(ModelProtoSchema, bytes);
  const graph = model.graph!;
  const cast = (input: string, output: string, to: number) => {
    const attribute = [{ name: 'to', type: AttributeProto_AttributeType.INT, i: BigInt(to) }];
    return create(NodeProtoSchema, { opType: 'Cast', input: [input], output: [output], attribute });
  };
  for (const one of [...graph.input, ...graph.output]) {
    if (one.type?.value.case !== 'tensorType') continue;
    const { value: tensorType } = one.type.value;
    if (tensorType.elemType === ELEMENT_TYPE.float32) continue;
    const inner = one.name;
    one.name = `${inner}${FLOAT32_END}`;
    if (graph.input.includes(one)) graph.node.unshift(cast(one.name, inner, tensorType.elemType));
    else graph.node.push(cast(inner, one.name, ELEMENT_TYPE.float32));
    tensorType.elemType = ELEMENT_TYPE.float32;
  }
  return model;
}
