import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, type Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { FEATURE_BYTES } from '../../../core/train/feature-codec.ts';
import { type Computed, ComputedSchema, FeatureFeed, type Group, GroupSchema } from './feature-feed_pb.ts';
import { cropSizes } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** gRPC's description of feature-feed.proto's only method. */
export const SERVE: MethodDefinition<Computed, Group> = {
  path: `/${FeatureFeed.typeName}/${FeatureFeed.method.serve.name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: serialize(ComputedSchema),
  requestDeserialize: deserialize(ComputedSchema),
  responseSerialize: serialize(GroupSchema),
  responseDeserialize: deserialize(GroupSchema),
};

/** Bytes of a message in addition to its features and labels. */
const ENVELOPE_BYTES = 64 * 1024;

/** Options of client and server. */
export function channelOptions(config: FeaturesConfig): ChannelOptions {
  return {
    // One crop is the largest valid message.
    'grpc.max_receive_message_length': cropBytes(config) + ENVELOPE_BYTES,
    'grpc.max_send_message_length': -1,
    // The connection of an ended process is closed; a lost node is detected by missing ping answers.
    'grpc.keepalive_time_ms': 2_000,
    'grpc.keepalive_timeout_ms': 2_500,
    'grpc.keepalive_permit_without_calls': 1,
    // With HTTP/2's default of 64 KB, a sender would wait for the receiver a hundred times per crop.
    'grpc-node.flow_control_window': 16 * 2 ** 20,
    // A pod's proxy settings are for addresses outside the cluster.
    'grpc.enable_http_proxy': 0,
  };
}

/** Bytes of one crop in a message: features of each tap, and labels. */
export function cropBytes(config: FeaturesConfig): number {
  const { features, labels } = cropSizes(config);
  const elements = features.reduce((sum, count) => sum + count, 0);
  return elements * FEATURE_BYTES[config.train.features] + labels;
}

export class FeatureClient extends Client {
  serve(metadata: Metadata) {
    const { path, requestSerialize, responseDeserialize } = SERVE;
    return this.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  }
}

function serialize<T extends DescMessage>(schema: T) {
  return (message: MessageShape<T>) => {
    const { buffer, byteOffset, byteLength } = toBinary(schema, message);
    return Buffer.from(buffer, byteOffset, byteLength);
  };
}

function deserialize<T extends DescMessage>(schema: T) {
  return (bytes: Buffer) => fromBinary(schema, bytes);
}
