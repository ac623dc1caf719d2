import { call, type Pointer } from './ort-api.ts';

type Release = 'ReleaseSession' | 'ReleaseValue' | 'ReleaseIoBinding';

/** An object of ONNX Runtime's that is released once, and never while something else needs it. */
export abstract class Owned implements Disposable {
  readonly #release: Release;
  readonly #owner: Owned | null;
  #pointer: Pointer | null;
  #users = 0;

  /** @param owner what must live as long as this does */
  constructor(release: Release, pointer: Pointer, owner: Owned | null) {
    this.#release = release;
    this.#pointer = pointer;
    this.#owner = owner;
    owner?.addUser();
  }

  /** Where it lies. @throws Error once it is disposed of */
  get pointer(): Pointer {
    if (this.#pointer === null) throw new Error(`a ${this.constructor.name} is used after its disposal`);
    return this.#pointer;
  }

  /** From now on it can't be disposed of. */
  addUser(): void {
    this.#users += 1;
  }

  removeUser(): void {
    this.#users -= 1;
  }

  /** @throws Error while something else uses it: a session its tensors, a binding the tensors bound, a tensor its parts */
  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    if (this.#users > 0)
      throw new Error(`a ${this.constructor.name} is disposed of while ${this.#users} others use it`);
    call(this.#release, this.#pointer);
    this.#pointer = null;
    this.#owner?.removeUser();
  }
}
