import { createRandom } from '../../builders.ts';

interface HandMadeJpeg {
  width: number;
  height: number;
  /** How often each component has samples, across and down: `[[2, 2], [1, 1], [1, 1]]` is 4:2:0. */
  sampling: readonly (readonly [across: number, down: number])[];
  progressive?: boolean;
  /** MCUs between restart markers. */
  restartInterval?: number;
  /** Ids of the components, in the frame and in its scans; 1, 2, 3 of JFIF else. */
  ids?: readonly number[];
  /** Segments before the frame: application data. */
  segments?: readonly Buffer[];
  seed?: number;
}

interface Component {
  id: number;
  across: number;
  down: number;
  /** Blocks that have samples of the image. */
  columns: number;
  rows: number;
  /** Blocks a row that are coded: whole MCUs. */
  stride: number;
  /** 64 coefficients a block, in zigzag order. */
  blocks: Int16Array;
}

const SOF_BASELINE = 0xc0;
const SOF_PROGRESSIVE = 0xc2;

/** A JPEG of random coefficients: any sampling, number of components, restart interval and application data. */
export function jpegOfNoise(options: HandMadeJpeg): Buffer {
  const { width, height, restartInterval = 0, segments = [], progressive = false } = options;
  const components = componentsOf(options);
  const header = components.flatMap(({ id, across, down }) => [id, 16 * across + down, 0]);
  const frame = [8, height >> 8, height & 255, width >> 8, width & 255, components.length, ...header];
  const scans = progressive
    ? [
        scan(components, { first: 0, last: 0, restartInterval }),
        ...components.map((component) => scan([component], { first: 1, last: 63, restartInterval })),
      ]
    : [scan(components, { first: 0, last: 63, restartInterval })];
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    ...segments,
    jpegSegment(0xdb, [0, ...Array.from({ length: 64 }, (_, k) => 8 + (k >> 2))]),
    jpegSegment(progressive ? SOF_PROGRESSIVE : SOF_BASELINE, frame),
    jpegSegment(0xc4, [0x00, ...codeLengths(4, DC_SYMBOLS.length), ...DC_SYMBOLS]),
    jpegSegment(0xc4, [0x10, ...codeLengths(8, AC_SYMBOLS.length), ...AC_SYMBOLS]),
    ...(restartInterval ? [jpegSegment(0xdd, [restartInterval >> 8, restartInterval & 255])] : []),
    ...scans,
    Buffer.from([0xff, 0xd9]),
  ]);
}

export function jpegSegment(marker: number, data: Uint8Array | readonly number[]): Buffer {
  const length = data.length + 2;
  return Buffer.concat([Buffer.from([0xff, marker, length >> 8, length & 255]), Buffer.from(data)]);
}

// Every symbol has a code of the same length: simpler than the usual tables, and as valid.
const DC_SYMBOLS = Array.from({ length: 12 }, (_, size) => size);
const END_OF_BLOCK = 0x00;
const AC_SYMBOLS = [END_OF_BLOCK, ...Array.from({ length: 16 * 8 }, (_, i) => ((i >> 3) << 4) + (i & 7) + 1)];

function codeLengths(bits: number, count: number): number[] {
  return Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? count : 0));
}

function componentsOf({ width, height, sampling, ids = [1, 2, 3, 4], seed = 1 }: HandMadeJpeg): Component[] {
  const random = createRandom(seed);
  const maxAcross = Math.max(...sampling.map(([across]) => across));
  const maxDown = Math.max(...sampling.map(([, down]) => down));
  return sampling.map(([across, down], i) => {
    const stride = across * Math.ceil(width / (8 * maxAcross));
    const lines = down * Math.ceil(height / (8 * maxDown));
    const blocks = new Int16Array(64 * stride * lines);
    for (let at = 0; at < blocks.length; at += 64) {
      blocks[at] = Math.round(220 * random() - 110);
      for (let k = 1; k < 64; k += 1 + Math.floor(12 * random()))
        // Never 0, so that no run of zeros needs a symbol of its own.
        blocks[at + k] = Math.round((60 * random() - 30) / (1 + k / 8)) || 1;
    }
    return {
      id: ids[i]!,
      across,
      down,
      columns: Math.ceil((width * across) / maxAcross / 8),
      rows: Math.ceil((height * down) / maxDown / 8),
      stride,
      blocks,
    };
  });
}

interface Band {
  first: number;
  last: number;
  restartInterval: number;
}

/** One scan with its header: a component alone by its own blocks, several by MCUs. */
function scan(components: Component[], band: Band): Buffer {
  const header = [components.length, ...components.flatMap(({ id }) => [id, 0]), band.first, band.last, 0];
  const [only] = components;
  const mcus =
    components.length === 1
      ? Array.from({ length: only!.columns * only!.rows }, (_, i) => [
          { component: 0, block: Math.floor(i / only!.columns) * only!.stride + (i % only!.columns) },
        ])
      : interleaved(components);
  const pieces: Buffer[] = [];
  const perPiece = band.restartInterval || mcus.length;
  for (let start = 0, restart = 0; start < mcus.length; start += perPiece, restart++) {
    if (start > 0) pieces.push(Buffer.from([0xff, 0xd0 + ((restart - 1) & 7)]));
    pieces.push(entropyCode(components, mcus.slice(start, start + perPiece).flat(), band));
  }
  return Buffer.concat([jpegSegment(0xda, header), ...pieces]);
}

interface BlockPlace {
  component: number;
  block: number;
}

function interleaved(components: Component[]): BlockPlace[][] {
  const { stride, across, blocks, down } = components[0]!;
  const mcuColumns = stride / across;
  const mcuRows = blocks.length / 64 / stride / down;
  return Array.from({ length: mcuColumns * mcuRows }, (_, mcu) =>
    components.flatMap((of, component) =>
      Array.from({ length: of.across * of.down }, (_, i) => {
        const row = Math.floor(mcu / mcuColumns) * of.down + Math.floor(i / of.across);
        const column = (mcu % mcuColumns) * of.across + (i % of.across);
        return { component, block: row * of.stride + column };
      }),
    ),
  );
}

function entropyCode(components: Component[], places: BlockPlace[], { first, last }: Band): Buffer {
  const bits: string[] = [];
  const previous = components.map(() => 0);
  for (const { component, block } of places) {
    const at = (k: number) => components[component]!.blocks[64 * block + k]!;
    if (first === 0) {
      const size = sizeOf(at(0) - previous[component]!);
      bits.push(size.toString(2).padStart(4, '0'), magnitude(at(0) - previous[component]!, size));
      previous[component] = at(0);
    }
    let run = 0;
    for (let k = Math.max(1, first); k <= last; k++) {
      if (at(k) === 0) run++;
      else {
        const size = sizeOf(at(k));
        bits.push(acCode(16 * run + size), magnitude(at(k), size));
        run = 0;
      }
    }
    if (last > 0 && run > 0) bits.push(acCode(END_OF_BLOCK));
  }
  const padded = bits.join('');
  const bytes = padded.padEnd(8 * Math.ceil(padded.length / 8), '1').match(/.{8}/g)!;
  // A byte of 0xff in the data is followed by a zero, or it would be a marker.
  return Buffer.from(
    bytes.map((byte) => Number.parseInt(byte, 2)).flatMap((b) => (b === 255 ? [255, 0] : [b])),
  );
}

function acCode(symbol: number): string {
  return AC_SYMBOLS.indexOf(symbol).toString(2).padStart(8, '0');
}

function sizeOf(value: number): number {
  return Math.abs(value) === 0 ? 0 : Math.abs(value).toString(2).length;
}

function magnitude(value: number, size: number): string {
  if (size === 0) return '';
  return (value > 0 ? value : value + 2 ** size - 1).toString(2).padStart(size, '0');
}
