import { timingSafeEqual } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { BadInput, FAILURE_CLASSES, TypedFailure } from '../../../core/config/failures.ts';
import { decodeFeatures, FEATURE_BYTES } from '../../../core/train/feature-codec.ts';
import { type Computed, type Failure, type Group, GroupSchema } from './feature-feed_pb.ts';
import { channelOptions, SERVE } from './feature-service.ts';
import { cropSizes, type FeatureWindow, slotsOf } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Groups that a worker has at a time: one that it computes, one whose samples it makes meanwhile. */
const GROUPS_AHEAD = 2;
/** How long the last words to workers may take. */
const SHUTDOWN_MS = 1_000;

export interface Endpoint {
  /** Listened on, and announced. */
  host: string;
  /** 0: any that is free. */
  port: number;
}

export interface FeatureServerOptions extends Endpoint {
  config: FeaturesConfig;
  window: FeatureWindow;
  /** Only workers that have it are let in. */
  token: string;
  /** A group that takes a worker longer than this is given to another one as well; who comes first counts. */
  patienceMs: number;
  /** A crop came, a worker came or went: there may be something to do. */
  onChange(): void;
  /** A worker has met what no other one would do better. */
  onFailure(failure: Error): void;
}

/** A worker's stream, and what it has yet to bring. */
interface Session {
  call: ServerDuplexStream<Computed, Group>;
  groups: { step: number; group: number; missing: Set<number>; since: number; isOverdue: boolean }[];
}

/** Gives groups to feature workers and puts what they bring into the window. */
export class FeatureServer implements AsyncDisposable {
  readonly #options: FeatureServerOptions;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #watch: NodeJS.Timeout;
  #port = 0;

  private constructor(options: FeatureServerOptions) {
    this.#options = options;
    this.#server = new Server(channelOptions(options.config));
    this.#server.addService({ serve: SERVE }, { serve: (call: Session['call']) => this.#admit(call) });
    this.#watch = setInterval(() => this.#findOverdue(), Math.min(1_000, options.patienceMs)).unref();
  }

  /** @throws BadInput if it can't listen there */
  static async open(options: FeatureServerOptions): Promise<FeatureServer> {
    const server = new FeatureServer(options);
    const at = `${options.host}:${options.port}`;
    server.#port = await new Promise<number>((resolve, reject) =>
      server.#server.bindAsync(at, ServerCredentials.createInsecure(), (cause, port) =>
        cause ? reject(new BadInput(`can't listen on ${at}: ${cause.message}`, { cause })) : resolve(port),
      ),
    );
    return server;
  }

  get address(): string {
    return `${this.#options.host}:${this.#port}`;
  }

  /** Workers that are at work, or wait for it; one that is overdue counts only when it has answered. */
  get workers(): number {
    return [...this.#sessions].filter((session) => !isOverdue(session)).length;
  }

  /** Gives out groups while there are some, and workers with room for them: first to those that have fewest. */
  dispatch(): void {
    const { window, config } = this.#options;
    for (let busy = 0; busy < GROUPS_AHEAD; busy++)
      for (const session of this.#sessions) {
        if (session.groups.length !== busy || isOverdue(session)) continue;
        const group = window.take();
        if (!group) return;
        const missing = new Set(slotsOf(group, config));
        session.groups.push({ ...group, missing, since: performance.now(), isOverdue: false });
        session.call.write(create(GroupSchema, group));
      }
  }

  /** Workers are told that the training's part is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    for (const { call } of this.#sessions) call.end();
    this.#sessions.clear();
    await new Promise<void>((resolve) => {
      // A connection that was given up for want of an answer counts as open for ever: then nothing is called back.
      const late = setTimeout(resolve, SHUTDOWN_MS);
      this.#server.tryShutdown(() => {
        clearTimeout(late);
        resolve();
      });
    });
    this.#server.forceShutdown();
  }

  #admit(call: Session['call']): void {
    const given = Buffer.from(String(call.metadata.get('authorization')[0] ?? ''));
    const expected = Buffer.from(`Bearer ${this.#options.token}`);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      call.emit('error', { code: status.UNAUTHENTICATED, details: "not this run's token" });
      return;
    }
    const session: Session = { call, groups: [] };
    this.#sessions.add(session);
    const leave = () => this.#leave(session);
    call.on('cancelled', leave).on('error', leave);
    call.on('end', () => {
      leave();
      call.end();
    });
    call.on('data', (computed: Computed) => {
      if (computed.failure) this.#options.onFailure(asError(computed.failure));
      else this.#receive(session, computed);
    });
    this.#options.onChange();
  }

  #receive(session: Session, crop: Computed): void {
    if (!this.#sessions.has(session)) return;
    const { config, window, onChange } = this.#options;
    const group = session.groups.find(({ step, missing }) => step === crop.step && missing.has(crop.slot));
    if (!group || !hasItsSizes(crop, config)) {
      const details = `step ${crop.step}, slot ${crop.slot}: was not asked for, or has not the right size`;
      session.call.emit('error', { code: status.INVALID_ARGUMENT, details });
      return;
    }
    // Null: another worker was first, with the same numbers.
    const place = window.place(crop.step, crop.slot);
    if (place) {
      for (const [tap, bytes] of crop.features.entries())
        decodeFeatures(bytes, config.train.features, place.features[tap]!);
      place.labels.set(crop.labels);
      window.put(crop.step, crop.slot);
    }
    group.missing.delete(crop.slot);
    if (group.missing.size > 0) return;
    session.groups.splice(session.groups.indexOf(group), 1);
    // What waits behind it begins only now.
    for (const next of session.groups) next.since = performance.now();
    onChange();
  }

  #leave(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    for (const group of session.groups) this.#options.window.giveBack(group);
    this.#options.onChange();
  }

  #findOverdue(): void {
    const { window, patienceMs, onChange } = this.#options;
    const now = performance.now();
    let isNew = false;
    for (const { groups } of this.#sessions)
      for (const group of groups) {
        if (group.isOverdue || now - group.since < patienceMs) continue;
        group.isOverdue = true;
        window.giveBack(group);
        isNew = true;
      }
    if (isNew) onChange();
  }
}

function isOverdue({ groups }: Session): boolean {
  return groups.some((group) => group.isOverdue);
}

function hasItsSizes({ features, labels }: Computed, config: FeaturesConfig): boolean {
  const sizes = cropSizes(config);
  const bytes = sizes.feature * FEATURE_BYTES[config.train.features];
  const isRight = features.length === config.model.backbone.taps.length && labels.length === sizes.labels;
  return isRight && features.every(({ length }) => length === bytes);
}

function asError({ failureClass, message }: Failure): Error {
  const known = FAILURE_CLASSES.find((name) => name === failureClass);
  return known ? new TypedFailure(known, message) : new Error(message);
}
