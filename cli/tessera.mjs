#!/usr/bin/env node
// `tessera`: through the bootstrap, so that it works in a fresh clone too.
process.argv.splice(2, 0, 'tessera');
await import('../infra/local/bootstrap.mjs');
