/** ONNX Runtime. Nothing else imports the package: its telemetry must be off before it loads. */
import './no-telemetry.ts';

export { env, InferenceSession, Tensor } from 'onnxruntime-node';
