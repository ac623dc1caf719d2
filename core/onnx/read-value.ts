import { BadData } from '../config/failures.ts';
import { bytesOf, type FieldBudget, fieldsOf, integerOf, textOf } from './wire.ts';

/** What a model takes or gives. */
export interface ModelValue {
  name: string;
  /** ONNX's number of the element type, 1: float32; null if it is no tensor. */
  elementType: number | null;
  /** A number is fixed, a text names a dimension that is free, null is unknown; the whole is null if the rank is. */
  shape: (number | string | null)[] | null;
}

/** Images in batches have four. */
const MAX_RANK = 16;

/** Field numbers of onnx.proto. */
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { element: 1, shape: 2 };
const SHAPE = { dimension: 1 };
const DIMENSION = { value: 1, name: 2 };

/** Reads an input or output of a graph. @throws BadData if it is damaged */
export function readValue(bytes: Uint8Array, budget: FieldBudget): ModelValue {
  const value: ModelValue = { name: '', elementType: null, shape: null };
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number === VALUE.name) value.name = textOf(field);
    else if (field.number === VALUE.type) Object.assign(value, readType(bytesOf(field), budget));
  }
  return value;
}

function readType(bytes: Uint8Array, budget: FieldBudget): Pick<ModelValue, 'elementType' | 'shape'> {
  const type: Pick<ModelValue, 'elementType' | 'shape'> = { elementType: null, shape: null };
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number !== TYPE.tensor) continue;
    for (const part of fieldsOf(bytesOf(field), budget)) {
      if (part.number === TENSOR_TYPE.element) type.elementType = integerOf(part);
      else if (part.number === TENSOR_TYPE.shape) type.shape = readShape(bytesOf(part), budget);
    }
  }
  return type;
}

function readShape(bytes: Uint8Array, budget: FieldBudget): (number | string | null)[] {
  const shape: (number | string | null)[] = [];
  for (const field of fieldsOf(bytes, budget)) {
    if (field.number !== SHAPE.dimension) continue;
    let dimension: number | string | null = null;
    for (const part of fieldsOf(bytesOf(field), budget)) {
      if (part.number === DIMENSION.value) dimension = integerOf(part);
      else if (part.number === DIMENSION.name) dimension = textOf(part);
    }
    // Some exporters write -1, or an empty name, for a dimension that is free.
    const isUnknown = dimension === '' || (typeof dimension === 'number' && dimension < 1);
    shape.push(isUnknown ? null : dimension);
    if (shape.length > MAX_RANK) throw new BadData(`a value of more than ${MAX_RANK} dimensions`);
  }
  return shape;
}
