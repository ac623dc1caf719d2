import { OPCODES } from './pickle-opcodes.ts';
import type { Complain, PickleValue } from './pickle-values.ts';

/** `data.pkl` of a model with 700 tensors has 100 KB; with an optimizer's notes a few MB. */
export const MAX_PICKLE_BYTES = 32 * 1024 * 1024;
/** Values pushed or remembered. One byte can push an empty list, which costs a hundred bytes here. */
const MAX_VALUES = 4_000_000;
/** Of these, lists, dicts, tuples and what else takes memory of its own: a tensor needs about ten. */
const MAX_OBJECTS = 1_000_000;
/** Open marks: how deeply lists, dicts and tuples nest while they are read. */
const MAX_MARKS = 1_000;
/** The longest strings are a config's text or an environment report. */
const MAX_STRING_BYTES = 16 * 1024 * 1024;

const STOP = 0x2e;

export interface PickleRules {
  complain: Complain;
  /** What `module.name` stands for. Throws for everything that is not known to be harmless. */
  resolveGlobal: (qualifiedName: string) => PickleValue;
  /** What a persistent id stands for (torch: a storage). */
  loadPersistent: (id: PickleValue) => PickleValue;
}

/** The state of reading: a stack, marks into it, and numbered values to come back to. */
export interface PickleMachine extends PickleRules {
  stack: PickleValue[];
  marks: number[];
  memo: Map<number, PickleValue>;
  take: (length: number) => Uint8Array;
  takeView: (length: number) => DataView;
  takeLine: () => string;
  takeText: (length: number) => string;
  push: (value: PickleValue) => void;
  pop: () => PickleValue;
  /** All values above the last mark, which is removed. */
  popToMark: () => PickleValue[];
  mark: () => void;
  remember: (index: number) => void;
}

/**
 * Reads a pickle of protocol 2 to 5. Nothing of it is ever executed: it can only build
 * dicts, lists, tuples, sets, numbers, text, None, and what `resolveGlobal` lets it build.
 *
 * @throws BadData (from `complain`) for everything else, and for damage
 * @see CPython `Lib/pickletools.py`
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules): PickleValue {
  if (bytes.length > MAX_PICKLE_BYTES) {
    throw rules.complain(`its pickle has ${bytes.length} bytes, more than the limit of ${MAX_PICKLE_BYTES}`);
  }
  const machine = startMachine(bytes, rules);
  for (;;) {
    const opcode = machine.takeView(1).getUint8(0);
    if (opcode === STOP) return machine.pop();
    const act = OPCODES.get(opcode);
    if (act === undefined) {
      throw rules.complain(`its pickle has the unknown opcode 0x${opcode.toString(16).padStart(2, '0')}`);
    }
    act(machine);
  }
}

function startMachine(bytes: Uint8Array, rules: PickleRules): PickleMachine {
  const { complain } = rules;
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let at = 0;
  let pushed = 0;
  let objects = 0;

  const claim = (length: number): number => {
    if (length > bytes.length - at) throw complain('its pickle is truncated: it ends before its STOP');
    at += length;
    return at - length;
  };
  const take = (length: number) => {
    const from = claim(length);
    return bytes.subarray(from, from + length);
  };
  const takeText = (length: number) => {
    if (length > MAX_STRING_BYTES) {
      throw complain(
        `its pickle has a string of ${length} bytes, more than the limit of ${MAX_STRING_BYTES}`,
      );
    }
    return decoder.decode(take(length));
  };
  return {
    ...rules,
    stack,
    marks,
    memo,
    take,
    takeText,
    takeView: (length) => new DataView(bytes.buffer, bytes.byteOffset + claim(length), length),
    takeLine: () => {
      const end = bytes.indexOf(0x0a, at);
      if (end < 0) throw complain('its pickle is truncated: it ends within a line');
      const line = takeText(end - at);
      at += 1;
      return line;
    },
    push: (value) => {
      if (++pushed > MAX_VALUES) throw complain(`its pickle holds more than ${MAX_VALUES} values`);
      if (typeof value === 'object' && value !== null && ++objects > MAX_OBJECTS)
        throw complain(`its pickle holds more than ${MAX_OBJECTS} lists, dicts and tuples`);
      stack.push(value);
    },
    pop: () => {
      const value = stack.length > (marks.at(-1) ?? 0) ? stack.pop() : undefined;
      if (value === undefined) throw complain('its pickle takes a value from an empty stack');
      return value;
    },
    popToMark: () => {
      const mark = marks.pop();
      if (mark === undefined) throw complain('its pickle closes a mark that was never opened');
      return stack.splice(mark);
    },
    mark: () => {
      if (marks.length >= MAX_MARKS) throw complain(`its pickle nests deeper than ${MAX_MARKS} marks`);
      marks.push(stack.length);
    },
    remember: (index) => {
      const value = stack.at(-1);
      if (value === undefined) throw complain('its pickle remembers a value from an empty stack');
      if (++pushed > MAX_VALUES) throw complain(`its pickle remembers more than ${MAX_VALUES} values`);
      memo.set(index, value);
    },
  };
}
