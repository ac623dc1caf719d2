import { ARITHMETIC } from './arithmetic.ts';
import { ARRANGEMENT } from './arrangement.ts';
import { CONVOLUTIONS } from './convolutions.ts';
import { LOSS } from './loss.ts';
import { NORMALIZATION } from './normalization.ts';
import { PRODUCTS } from './products.ts';
import type { Rule } from './rule.ts';
import { SIZES } from './sizes.ts';

/**
 * Reverse-mode differentiation, one rule per operator: computes the gradient with respect to the inputs from the
 * gradient with respect to the output. The rules use only operators that both the CPU and the CUDA provider support in
 * float32 (opset 23).
 */
export const GRADIENTS: Record<string, Rule> = Object.assign(
  {},
  ARITHMETIC,
  PRODUCTS,
  CONVOLUTIONS,
  NORMALIZATION,
  SIZES,
  ARRANGEMENT,
  LOSS,
);
