import type { DType } from '../config/manifests.ts';

/** ONNX's numbers of element types. @see onnx.proto `TensorProto.DataType` */
export const ELEMENT_TYPE: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};
const NAMES = new Map(Object.entries(ELEMENT_TYPE).map(([name, number]) => [number, name as DType]));

/** The type of a number; undefined for those that nothing here has. */
export function elementTypeName(number: number): DType | undefined {
  return NAMES.get(number);
}

/** Operators whose result has another type than their first input. */
const RESULT_TYPES: Record<string, DType> = {
  Equal: 'bool',
  Greater: 'bool',
  GreaterOrEqual: 'bool',
  Less: 'bool',
  LessOrEqual: 'bool',
  Not: 'bool',
  IsNaN: 'bool',
  ArgMax: 'int64',
  ArgMin: 'int64',
  NonZero: 'int64',
  Shape: 'int64',
  Size: 'int64',
};

/** The type of an operator's result, whatever its inputs have; undefined where it is its first input's. */
export function resultType(operator: string): DType | undefined {
  return RESULT_TYPES[operator];
}
