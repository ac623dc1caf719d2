import type { DType } from '../../../core/config/manifests.ts';
import { elementTypeName } from '../../../core/onnx/element-types.ts';
import { environment } from './environment.ts';
import { call, get, type Pointer, readString } from './ort-api.ts';

/** Type and shape of a tensor; of a model's input or output, −1 is a dimension that differs from run to run. */
export interface DeclaredTensor {
  dtype: DType;
  dims: number[];
}

/** What a model declares of its inputs or outputs, by name, in its order. @throws TypeError for what is no tensor of numbers */
export function declaredTensors(session: Pointer, side: 'Input' | 'Output'): Map<string, DeclaredTensor> {
  const count = Number(get(`SessionGet${side}Count`, session));
  const found = new Map<string, DeclaredTensor>();
  for (let i = 0; i < count; i++) {
    const name = nameOf(session, side, i);
    const type = get(`SessionGet${side}TypeInfo`, session, i);
    try {
      const tensor = get('CastTypeInfoToTensorInfo', type);
      if (tensor === 0n) throw new TypeError(`${name} of the model is no tensor; expected tensors only`);
      found.set(name, readShape(tensor, name));
    } finally {
      call('ReleaseTypeInfo', type);
    }
  }
  return found;
}

/** Of a tensor that a run has made. */
export function shapeOf(value: Pointer, name: string): DeclaredTensor {
  const info = get('GetTensorTypeAndShape', value);
  try {
    return readShape(info, name);
  } finally {
    call('ReleaseTensorTypeAndShapeInfo', info);
  }
}

function nameOf(session: Pointer, side: 'Input' | 'Output', i: number): string {
  const { hostAllocator } = environment();
  const at = get(`SessionGet${side}Name`, session, i, hostAllocator);
  const name = readString(at);
  call('AllocatorFree', hostAllocator, at);
  return name;
}

function readShape(info: Pointer, name: string): DeclaredTensor {
  const type = Number(get('GetTensorElementType', info));
  const dtype = elementTypeName(type);
  if (!dtype) throw new TypeError(`${name} of the model has ONNX's element type ${type}; expected numbers`);
  const dims = new BigInt64Array(Number(get('GetDimensionsCount', info)));
  call('GetDimensions', info, dims, dims.length);
  return { dtype, dims: Array.from(dims, Number) };
}
