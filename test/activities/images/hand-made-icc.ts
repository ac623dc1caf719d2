/** Which of ICC's four rendering intents. */
type Intent = 0 | 1 | 2 | 3;

/** Colorants of a very wide gamut (ProPhoto's), so that converting by the profile would move every colour far. */
const WIDE = { r: [0.7977, 0.288, 0], g: [0.1352, 0.7119, 0], b: [0.0313, 0.0001, 0.8249] };

/** An ICC profile of RGB with a wide gamut and a gamma of 1.8. */
export function rgbProfile(intent: Intent = 0): Buffer {
  return profile('RGB ', intent, {
    rXYZ: xyz(WIDE.r),
    gXYZ: xyz(WIDE.g),
    bXYZ: xyz(WIDE.b),
    rTRC: gamma(1.8),
    gTRC: gamma(1.8),
    bTRC: gamma(1.8),
  });
}

/** An ICC profile of grey, linear: converting by it would make all but black and white lighter. */
export function greyProfile(intent: Intent = 0): Buffer {
  return profile('GRAY', intent, { kTRC: gamma(1) });
}

function profile(space: 'RGB ' | 'GRAY', intent: Intent, own: Record<string, Buffer>): Buffer {
  const tags = { desc: description('test'), wtpt: xyz([0.9642, 1, 0.8249]), cprt: text('none'), ...own };
  const table = Buffer.alloc(4 + 12 * Object.keys(tags).length);
  table.writeUInt32BE(Object.keys(tags).length, 0);
  const bodies: Buffer[] = [];
  let offset = 128 + table.length;
  for (const [i, [name, data]] of Object.entries(tags).entries()) {
    const padded = Buffer.alloc(4 * Math.ceil(data.length / 4));
    data.copy(padded);
    table.write(name, 4 + 12 * i, 'latin1');
    table.writeUInt32BE(offset, 8 + 12 * i);
    table.writeUInt32BE(data.length, 12 + 12 * i);
    bodies.push(padded);
    offset += padded.length;
  }
  const header = Buffer.alloc(128);
  header.writeUInt32BE(offset, 0);
  header.writeUInt32BE(0x02100000, 8);
  header.write(`mntr${space}XYZ `, 12, 'latin1');
  header.write('acsp', 36, 'latin1');
  header.writeUInt32BE(intent, 64);
  xyz([0.9642, 1, 0.8249]).copy(header, 68, 8);
  return Buffer.concat([header, table, ...bodies]);
}

function xyz(values: readonly number[]): Buffer {
  const out = Buffer.alloc(20);
  out.write('XYZ ', 0, 'latin1');
  for (const [i, value] of values.entries()) out.writeInt32BE(Math.round(value * 65536), 8 + 4 * i);
  return out;
}

function gamma(value: number): Buffer {
  const out = Buffer.alloc(14);
  out.write('curv', 0, 'latin1');
  out.writeUInt32BE(1, 8);
  out.writeUInt16BE(Math.round(value * 256), 12);
  return out;
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from('text\0\0\0\0', 'latin1'), Buffer.from(`${value}\0`, 'latin1')]);
}

/** A `desc` with empty Unicode and Macintosh names. */
function description(value: string): Buffer {
  const out = Buffer.alloc(12 + value.length + 1 + 78);
  out.write('desc', 0, 'latin1');
  out.writeUInt32BE(value.length + 1, 8);
  out.write(value, 12, 'latin1');
  return out;
}
