/**
 * How likely a value so far from 0 is by chance, on either side, if it is normally distributed.
 *
 * @param z the value in standard errors
 * @see Numerical Recipes, `erfcc`: a relative error below 1.2e-7 everywhere
 */
export function twoSidedP(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const powers = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const polynomial = powers.reduceRight((sum, factor) => sum * t + factor, 0);
  return t * Math.exp(-x * x + polynomial);
}

/**
 * Which of many findings hold if at most this share of them may be false.
 *
 * @returns for each p whether it holds
 * @see Benjamini and Hochberg, 1995
 */
export function benjaminiHochberg(ps: number[], falseShare: number): boolean[] {
  const sorted = ps.toSorted((a, b) => a - b);
  const last = sorted.findLastIndex((p, i) => p <= (falseShare * (i + 1)) / ps.length);
  return ps.map((p) => last >= 0 && p <= sorted[last]!);
}
