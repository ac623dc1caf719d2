/** ONNX Runtime's CUDA provider, in a folder of the user's cache. @throws SetupError if it can't be fetched */
export function fetchProvider(root: string, signal: AbortSignal): Promise<string>;
export function prepareCuda(
  root: string,
  signal: AbortSignal,
): Promise<{ libraries: string } | { skipped: string }>;
