// The entry of every npm script: makes a fresh clone ready, then runs the command in this same process.
//   node infra/local/bootstrap.mjs                 only makes ready
//   node infra/local/bootstrap.mjs tessera [ARGS]  the command line tool
//   node infra/local/bootstrap.mjs dev COMMAND     what compares and measures: test/dev.ts
//   node infra/local/bootstrap.mjs vitest [ARGS]   the tests
//   node infra/local/bootstrap.mjs cuda [ARGS]     the tests on CUDA without a GPU; --memory, --training: its tables
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 15)) {
  console.error(
    `Tessera needs Node 20.15 or newer, and this is ${process.versions.node} (${process.execPath}).`,
  );
  process.exit(1);
}

// Only now: an old Node fails on what these files import before it could say why.
const { bootstrap } = await import('./prepare.mjs');
await bootstrap(process.argv.slice(2));
