import { existsSync, readFileSync } from 'node:fs';
import { deviceName, driverVersion, ORT_VERSION } from '../../../activities/evaluate/environment.ts';
import { askGpu } from '../../../activities/onnx/gpu.ts';
import { demoMIoU, otherBatches } from './demo-runs.ts';
import { fullSize } from './full-size.ts';
import { goldenBeside } from './golden-beside.ts';
import { matmulTflops } from './matrix-products.ts';
import type { Bench, Phase } from './phase.ts';
import { placement } from './placement.ts';

/** cuBLAS and cuDNN round the products of float32 to TF32 unless this is 0. */
export const WITHOUT_TF32 = { NVIDIA_TF32_OVERRIDE: '0' };

/** In the order of what is worth most; together within ten minutes. */
export const PHASES: Phase[] = [
  { name: 'device', seconds: 45, run: device },
  { name: 'placement', seconds: 100, run: placement },
  {
    name: 'linear-6b',
    seconds: 150,
    run: (bench) => fullSize('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen', bench),
  },
  { name: 'golden', seconds: 60, run: goldenBeside },
  { name: 'golden-without-tf32', seconds: 60, env: WITHOUT_TF32, run: goldenBeside },
  { name: 'demo', seconds: 75, run: demoMIoU },
  {
    name: 'upernet-6b',
    seconds: 150,
    run: (bench) => fullSize('upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen', bench),
  },
  { name: 'demo-without-tf32', seconds: 45, env: WITHOUT_TF32, run: demoMIoU },
  { name: 'batches', seconds: 75, run: otherBatches },
  { name: 'batches-without-tf32', seconds: 75, env: WITHOUT_TF32, run: otherBatches },
];

/** Whether this process computes on infra/cuda-check's CUDA, which it does since its first session. */
export function isFakeCuda(): boolean {
  const maps = '/proc/self/maps';
  return existsSync(maps) && readFileSync(maps, 'utf8').includes('libfakecuda');
}

/** What computes, and that something does. */
export async function device({ device, passes, record }: Bench): Promise<void> {
  const tflops = await matmulTflops(device, 'float32', 0, passes);
  const isFake = isFakeCuda();
  const name = isFake ? 'FAKE CUDA: what is computed, and how fast, means nothing' : await deviceName(device);
  const about = {
    name,
    isFake,
    driver: await driverVersion(device),
    computeCapability: device === 'cuda' ? await askGpu('compute_cap') : null,
    memoryMiB: device === 'cuda' ? Number(await askGpu('memory.total')) : null,
    onnxRuntime: ORT_VERSION,
    node: process.versions.node,
  };
  const { driver, computeCapability, memoryMiB, onnxRuntime, node } = about;
  const gpu =
    driver === null ? '' : `, driver ${driver}, compute capability ${computeCapability}, ${memoryMiB} MiB`;
  record(about, `${name}${gpu} · ONNX Runtime ${onnxRuntime} · Node ${node}`);
  record({ float32Tflops: tflops }, `matrix products: ${tflops.toFixed(2)} TFLOP/s, float32`);
}
