import { ARITHMETIC } from './arithmetic.ts';
import { ARRANGEMENT } from './arrangement.ts';
import { ATTENTION } from './attention.ts';
import { CONVOLUTIONS } from './convolutions.ts';
import { LOSS } from './loss.ts';
import { NORMALIZATION } from './normalization.ts';
import { PRODUCTS } from './products.ts';
import type { Rule } from './rule.ts';
import { SIZES } from './sizes.ts';

/** Operators whose rule takes the gradients of all outputs; of any other, only the first output may have one. */
export const HAS_SEVERAL_OUTPUTS: ReadonlySet<string> = new Set(['Split']);

/**
 * Reverse-mode differentiation, one rule per operator: computes the gradient with respect to the inputs from the
 * gradient with respect to the output. The rules use only operators that both the CPU and the CUDA provider support in
 * float32 (opset 23); those of a transformer's operators also in bfloat16 and float16, where sums over many elements,
 * softmax and the derivatives of activations are float32.
 */
export const GRADIENTS: Record<string, Rule> = Object.assign(
  {},
  ARITHMETIC,
  PRODUCTS,
  ATTENTION,
  CONVOLUTIONS,
  NORMALIZATION,
  SIZES,
  ARRANGEMENT,
  LOSS,
);
