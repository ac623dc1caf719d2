/** Compute capabilities times ten that ONNX Runtime's CUDA provider holds machine code for. It has no PTX for others. */
const KERNELS = [75, 80, 86, 89, 90, 120];

/**
 * Whether the provider has kernels for a GPU. Code for one capability runs on later ones of the same major version.
 *
 * @param capability as nvidia-smi gives it: `9.0`
 */
export function hasKernels(capability: string): boolean {
  const [major, minor] = capability.split('.').map(Number) as [number, number];
  return KERNELS.some((sm) => Math.floor(sm / 10) === major && sm % 10 <= minor);
}
