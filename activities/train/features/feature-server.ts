import { timingSafeEqual } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { BadInput, FAILURE_CLASSES, TypedFailure } from '../../../core/config/failures.ts';
import { decodeFeatures, FEATURE_BYTES } from '../../../core/train/feature-codec.ts';
import { type Computed, type Failure, type Group, GroupSchema } from './feature-feed_pb.ts';
import { channelOptions, SERVE } from './feature-service.ts';
import { cropSizes, type FeatureWindow, slotsOf } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Groups that a worker holds at once: one that it computes, one whose samples it loads meanwhile. */
const GROUPS_AHEAD = 2;
/** Time limit for the final messages to workers. */
const SHUTDOWN_MS = 1_000;

export interface Endpoint {
  /** Host to listen on; part of the announced address. */
  host: string;
  /** 0: any free port. */
  port: number;
}

export interface FeatureServerOptions extends Endpoint {
  config: FeaturesConfig;
  window: FeatureWindow;
  /** Workers must send this token. */
  token: string;
  /** Time limit of a group: after it the group is also given to another worker; the first result counts. */
  patienceMs: number;
  /** Called when a crop arrives and when a worker joins or leaves. */
  onChange(): void;
  /** Called for a failure that any worker would have. */
  onFailure(failure: Error): void;
}

/** A worker's stream, and the groups that it has not finished. */
interface Session {
  call: ServerDuplexStream<Computed, Group>;
  groups: { step: number; group: number; missing: Set<number>; since: number; isOverdue: boolean }[];
}

/** Sends groups to feature workers and writes their crops into the window. */
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

  /** @throws BadInput if it cannot listen on the address */
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

  /** Number of workers that compute or wait. An overdue worker counts again after it answers. */
  get workers(): number {
    return [...this.#sessions].filter((session) => !isOverdue(session)).length;
  }

  /** Sends groups to workers that have capacity, those with the fewest groups first. */
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

  /** Ends all streams: the part of the training is complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    for (const { call } of this.#sessions) call.end();
    this.#sessions.clear();
    await new Promise<void>((resolve) => {
      // A connection that timed out stays open for gRPC, so the callback may never be called.
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
    // Null: another worker sent the same numbers first.
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
    // The worker's other group starts now: its time limit starts again.
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
  const bytes = sizes.features.map((elements) => elements * FEATURE_BYTES[config.train.features]);
  const isRight = features.length === bytes.length && labels.length === sizes.labels;
  return isRight && features.every(({ length }, i) => length === bytes[i]);
}

function asError({ failureClass, message }: Failure): Error {
  const known = FAILURE_CLASSES.find((name) => name === failureClass);
  return known ? new TypedFailure(known, message) : new Error(message);
}
