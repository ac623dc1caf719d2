import type { PickleMachine } from './pickle.ts';
import { describe, isBuilt, type PickleDict, type PickleValue } from './pickle-values.ts';

type Act = (machine: PickleMachine) => void;

/** LONG1 allows 255 bytes already; nobody's step counter has more. */
const MAX_INTEGER_BYTES = 255;

/** Opcode → what it does, in the order of CPython's `pickletools.opcodes`. */
export const OPCODES: ReadonlyMap<number, Act> = new Map<number, Act>([
  // Numbers
  [code('J'), (m) => m.push(m.takeView(4).getInt32(0, true))],
  [code('K'), (m) => m.push(m.takeView(1).getUint8(0))],
  [code('M'), (m) => m.push(m.takeView(2).getUint16(0, true))],
  [0x8a, (m) => m.push(takeInteger(m, m.takeView(1).getUint8(0)))],
  [0x8b, (m) => m.push(takeInteger(m, m.takeView(4).getUint32(0, true)))],
  [code('G'), (m) => m.push(m.takeView(8).getFloat64(0, false))],
  [code('N'), (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],

  // Text and bytes
  [code('X'), (m) => m.push(m.takeText(m.takeView(4).getUint32(0, true)))],
  [0x8c, (m) => m.push(m.takeText(m.takeView(1).getUint8(0)))],
  [0x8d, (m) => m.push(m.takeText(takeLength64(m)))],
  [code('T'), (m) => m.push(m.takeText(m.takeView(4).getUint32(0, true)))],
  [code('U'), (m) => m.push(m.takeText(m.takeView(1).getUint8(0)))],
  [code('B'), (m) => m.push(m.take(m.takeView(4).getUint32(0, true)))],
  [code('C'), (m) => m.push(m.take(m.takeView(1).getUint8(0)))],
  [0x8e, (m) => m.push(m.take(takeLength64(m)))],
  [0x96, (m) => m.push(m.take(takeLength64(m)))],

  // Lists
  [code(']'), (m) => m.push([])],
  [code('l'), (m) => m.push(m.popToMark())],
  [code('a'), (m) => append(m, [m.pop()])],
  [code('e'), (m) => append(m, m.popToMark())],

  // Tuples
  [code(')'), (m) => m.push(tuple([]))],
  [0x85, (m) => m.push(tuple(popMany(m, 1)))],
  [0x86, (m) => m.push(tuple(popMany(m, 2)))],
  [0x87, (m) => m.push(tuple(popMany(m, 3)))],
  [code('t'), (m) => m.push(tuple(m.popToMark()))],

  // Dicts and sets
  [code('}'), (m) => m.push(new Map())],
  [code('d'), (m) => m.push(setItems(m, new Map(), m.popToMark()))],
  [code('s'), (m) => setItemsOfTop(m, popMany(m, 2))],
  [code('u'), (m) => setItemsOfTop(m, m.popToMark())],
  [0x8f, (m) => m.push(new Set())],
  [0x90, addToSet],
  [0x91, (m) => m.push(new Set(m.popToMark()))],

  // The stack and the memo
  [code('0'), (m) => void m.pop()],
  [code('1'), (m) => void m.popToMark()],
  [code('2'), duplicate],
  [code('('), (m) => m.mark()],
  [code('q'), (m) => m.remember(m.takeView(1).getUint8(0))],
  [code('r'), (m) => m.remember(m.takeView(4).getUint32(0, true))],
  [0x94, (m) => m.remember(m.memo.size)],
  [code('h'), (m) => recall(m, m.takeView(1).getUint8(0))],
  [code('j'), (m) => recall(m, m.takeView(4).getUint32(0, true))],

  // What is not plain data
  [code('c'), (m) => m.push(m.resolveGlobal(`${m.takeLine()}.${m.takeLine()}`))],
  [0x93, stackGlobal],
  [code('R'), (m) => call(m)],
  [0x81, (m) => call(m)],
  [0x92, callWithKeywords],
  [code('b'), build],
  [code('Q'), (m) => m.push(m.loadPersistent(m.pop()))],

  // Framing
  [0x80, protocol],
  [0x95, (m) => void takeLength64(m)],
]);

function code(character: string): number {
  return character.charCodeAt(0);
}

function tuple(items: PickleValue[]): PickleValue[] {
  Object.freeze(items);
  return items;
}

function popMany(m: PickleMachine, count: number): PickleValue[] {
  // Of exactly that length: an array that grows reserves room for 17.
  const items = new Array<PickleValue>(count);
  for (let index = count - 1; index >= 0; index--) items[index] = m.pop();
  return items;
}

function takeLength64(m: PickleMachine): number {
  return Number(m.takeView(8).getBigUint64(0, true));
}

/** Little-endian two's complement; a bigint only where a number would lose digits. */
function takeInteger(m: PickleMachine, length: number): number | bigint {
  if (length > MAX_INTEGER_BYTES) throw m.complain(`its pickle has an integer of ${length} bytes`);
  if (length === 0) return 0;
  const hex = Buffer.from(m.take(length)).reverse().toString('hex');
  const value = BigInt.asIntN(length * 8, BigInt(`0x${hex}`));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function append(m: PickleMachine, items: PickleValue[]): void {
  const list = m.stack.at(-1);
  if (isBuilt(list, 'opaque')) return;
  if (!Array.isArray(list) || Object.isFrozen(list)) {
    throw m.complain(`its pickle appends to ${describe(list)}`);
  }
  for (const item of items) list.push(item);
}

function setItems(m: PickleMachine, dict: PickleDict, items: PickleValue[]): PickleDict {
  if (items.length % 2 !== 0) throw m.complain('its pickle has a dict key without a value');
  for (let index = 0; index < items.length; index += 2) dict.set(items[index]!, items[index + 1]!);
  return dict;
}

function setItemsOfTop(m: PickleMachine, items: PickleValue[]): void {
  const dict = m.stack.at(-1);
  if (isBuilt(dict, 'opaque')) return;
  if (!(dict instanceof Map)) throw m.complain(`its pickle sets an item of ${describe(dict)}`);
  setItems(m, dict, items);
}

function addToSet(m: PickleMachine): void {
  const items = m.popToMark();
  const set = m.stack.at(-1);
  if (isBuilt(set, 'opaque')) return;
  if (!(set instanceof Set)) throw m.complain(`its pickle adds to ${describe(set)} as to a set`);
  for (const item of items) set.add(item);
}

function duplicate(m: PickleMachine): void {
  const top = m.pop();
  m.push(top);
  m.push(top);
}

function recall(m: PickleMachine, index: number): void {
  const value = m.memo.get(index);
  if (value === undefined) throw m.complain(`its pickle recalls value ${index}, which it never stored`);
  m.push(value);
}

function stackGlobal(m: PickleMachine): void {
  const [module, name] = popMany(m, 2);
  if (typeof module !== 'string' || typeof name !== 'string') {
    throw m.complain(`its pickle names a global by ${describe(module)} and ${describe(name)}`);
  }
  m.push(m.resolveGlobal(`${module}.${name}`));
}

function call(m: PickleMachine): void {
  const [callee, args] = popMany(m, 2);
  if (isBuilt(callee, 'opaque')) return void m.push(callee);
  if (!isBuilt(callee, 'callable')) throw m.complain(`its pickle calls ${describe(callee)}`);
  if (!Array.isArray(args)) throw m.complain(`its pickle calls ${callee.name} with ${describe(args)}`);
  m.push(callee.call(args, m.complain));
}

/** NEWOBJ_EX: keywords are for classes that are not known here. */
function callWithKeywords(m: PickleMachine): void {
  const keywords = m.pop();
  if (!(keywords instanceof Map)) throw m.complain(`its pickle calls with ${describe(keywords)} as keywords`);
  call(m);
}

/** BUILD hands attributes to an object. Dicts carry notes there (`_metadata`) that say nothing about tensors. */
function build(m: PickleMachine): void {
  const state = m.pop();
  const target = m.stack.at(-1);
  if (target instanceof Map || isBuilt(target, 'tensor') || isBuilt(target, 'opaque')) return;
  if (isBuilt(target, 'numpy-dtype')) {
    const byteOrder = Array.isArray(state) ? state[1] : undefined;
    if (byteOrder === '>') m.stack[m.stack.length - 1] = { kind: 'opaque', name: 'numpy.dtype' };
    return;
  }
  throw m.complain(`its pickle sets attributes of ${describe(target)}`);
}

function protocol(m: PickleMachine): void {
  const version = m.takeView(1).getUint8(0);
  if (version < 2 || version > 5) throw m.complain(`its pickle has protocol ${version}, but 2 to 5 are read`);
}
