/** How many bytes of a file's beginning `notACheckpoint` looks at: the tar mark lies at 257. */
export const KIND_BYTES = 512;

const RESAVE =
  'load it with torch >= 1.6 and save it again: torch.save(torch.load(path, map_location="cpu"), path)';

/**
 * What a file that is no torch zip archive seems to be, and what to do about it.
 *
 * @param head the file's first bytes, up to `KIND_BYTES`
 * @returns undefined if it begins as a zip archive
 */
export function notACheckpoint(head: Uint8Array): string | undefined {
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join('');
  return KINDS.find(({ is }) => is(text))?.means;
}

const KINDS: { is: (head: string) => boolean; means: string | undefined }[] = [
  { is: (head) => head.startsWith('PK\x03\x04'), means: undefined },
  { is: (head) => head.length === 0, means: 'is empty; copy it again' },
  {
    // The number that torch wrote first until 1.5, as a pickled long.
    is: (head) => isPickle(head) && head.startsWith('\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19', 2),
    means: `is in torch's old format (before 1.6), which is no zip archive; ${RESAVE}`,
  },
  {
    is: (head) => head.startsWith('ustar', 257),
    means: `is a tar archive, torch's format before 0.4 or packed files; unpack it, or ${RESAVE}`,
  },
  {
    is: isPickle,
    means: `is a bare pickle, not a file of torch.save; ${RESAVE}`,
  },
  {
    is: (head) => /^\s*<(!doctype|html|head|body)/i.test(head),
    means: 'is an HTML page: the download gave a web page instead of the file',
  },
  {
    is: (head) => /^\s*<\?xml/i.test(head),
    means: 'is an XML document, as stores send with an error: read it for the reason',
  },
  {
    is: (head) => head.startsWith('version https://git-lfs'),
    means: 'is a Git LFS pointer: fetch the file itself with git lfs pull',
  },
  { is: (head) => head.startsWith('\x1f\x8b'), means: 'is compressed with gzip; unpack it first' },
  {
    is: (head) => head.startsWith('\x89HDF'),
    means: 'is an HDF5 file, not a torch checkpoint or safetensors',
  },
  {
    is: (head) => /^\s*[{[]/.test(head),
    means: 'is JSON text, not a checkpoint; shards are staged by their folder, or by an hf:// address',
  },
  {
    is: (head) => head.startsWith('\0'.repeat(16)),
    means: 'begins with zeros only: an unfinished copy; copy it again',
  },
  {
    is: () => true,
    means: 'is neither a safetensors file nor a zip archive, as torch.save writes them since torch 1.6',
  },
];

/** The PROTO opcode and a protocol that torch used. */
function isPickle(head: string): boolean {
  return head.startsWith('\x80') && head.charCodeAt(1) >= 2 && head.charCodeAt(1) <= 5;
}
