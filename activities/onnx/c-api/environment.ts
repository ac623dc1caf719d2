import type { Device } from '../../../core/config/config.ts';
import { get, type Pointer } from './ort-api.ts';

const ERROR_LEVEL = 3;
const ARENA = 1;
const DEFAULT_MEMORY = 0;
const FIRST_DEVICE = 0;

interface Environment {
  pointer: Pointer;
  /** Of strings and lists that ONNX Runtime hands over. */
  hostAllocator: Pointer;
  memory: Record<Device, Pointer>;
}

let made: Environment | null = null;

/** ONNX Runtime's own state, which all threads and both bindings of a process share. It is never released. */
export function environment(): Environment {
  made ??= {
    pointer: get('CreateEnv', ERROR_LEVEL, 'tessera'),
    hostAllocator: get('GetAllocatorWithDefaultOptions'),
    memory: {
      cpu: get('CreateMemoryInfo', 'Cpu', ARENA, FIRST_DEVICE, DEFAULT_MEMORY),
      cuda: get('CreateMemoryInfo', 'Cuda', ARENA, FIRST_DEVICE, DEFAULT_MEMORY),
    },
  };
  return made;
}
