import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, type Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { FEATURE_BYTES } from '../../../core/train/feature-codec.ts';
import { type Computed, ComputedSchema, FeatureFeed, type Group, GroupSchema } from './feature-feed_pb.ts';
import { cropSizes } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** The one method of feature-feed.proto, as gRPC wants it described. */
export const SERVE: MethodDefinition<Computed, Group> = {
  path: `/${FeatureFeed.typeName}/${FeatureFeed.method.serve.name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: serialize(ComputedSchema),
  requestDeserialize: deserialize(ComputedSchema),
  responseSerialize: serialize(GroupSchema),
  responseDeserialize: deserialize(GroupSchema),
};

/** Of a message beside its features and labels. */
const ENVELOPE_BYTES = 64 * 1024;

/** Options of both ends. */
export function channelOptions(config: FeaturesConfig): ChannelOptions {
  return {
    // One crop is the largest message there is: whoever sends more is no worker of ours.
    'grpc.max_receive_message_length': cropBytes(config) + ENVELOPE_BYTES,
    'grpc.max_send_message_length': -1,
    // A process that dies closes its connection; a node that vanishes answers no ping.
    'grpc.keepalive_time_ms': 2_000,
    'grpc.keepalive_timeout_ms': 2_500,
    'grpc.keepalive_permit_without_calls': 1,
    // With HTTP/2's own 64 KB, a sender would wait for the other end a hundred times a crop.
    'grpc-node.flow_control_window': 16 * 2 ** 20,
    // A pod's proxy is for what lies outside of the cluster.
    'grpc.enable_http_proxy': 0,
  };
}

/** Bytes of one crop on its way: features of each tap, and labels. */
export function cropBytes(config: FeaturesConfig): number {
  const { feature, labels } = cropSizes(config);
  return config.model.backbone.taps.length * feature * FEATURE_BYTES[config.train.features] + labels;
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
