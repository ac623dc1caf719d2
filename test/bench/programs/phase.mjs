// Stands for a phase of `bench-gpu`: it sends a figure, then does what it is named after.
const name = process.argv[2];
const send = (message) => new Promise((resolve) => process.send(message, resolve));
await send({ type: 'row', row: { figure: 1 }, line: `${name}: one figure` });
if (name === 'fails') await send({ type: 'failed', message: 'the GPU is on fire' });
if (name === 'crashes') process.kill(process.pid, 'SIGSEGV');
if (name === 'hangs') setInterval(() => {}, 1_000);
else process.disconnect();
process.exitCode = name === 'fails' ? 1 : 0;
