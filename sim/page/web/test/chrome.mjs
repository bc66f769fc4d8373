import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

// node chrome.mjs FOLDER gives the Chrome traces there to the trace engine of Chromium's developer
// tools: all that was written must be found again. That engine binds an arrow to the slices that
// begin where its ends are. So it finds the arrows of requests; a reply's ends where its call's
// slice ends, which is how Perfetto binds, and is found only where the next call begins there.

globalThis.DOMRect = class {}; // all that the engine asks of a browser
globalThis.window ??= globalThis;
const engine = await import('@paulirish/trace_engine');

const read = (name) => JSON.parse(readFileSync(join(process.argv[2], name), 'utf8'));
const lane = (e) => `${e.pid}/${e.tid}`;

for (const wanted of read('traces.json')) {
  const { traceEvents } = read(wanted.file);
  const processor = engine.Processor.TraceProcessor.createWithAllHandlers();
  await processor.parse(traceEvents, { metadata: {} });
  const { Meta, Flows } = processor.data;
  assert.ok(Meta.traceIsGeneric);
  const threads = engine.Handlers.Threads.threadsInTrace(processor.data);
  assert.equal(threads.reduce((n, thread) => n + thread.entries.length, 0), wanted.slices, 'slices');
  assert.deepEqual(new Set(threads.map(lane)), new Set(traceEvents.filter((e) => e.ph === 'X').map(lane)));
  const names = new Map(traceEvents.filter((e) => e.name === 'thread_name').map((e) => [lane(e), e.args.name]));
  for (const thread of threads) assert.equal(thread.name, names.get(lane(thread)));
  const requests = Flows.flows.filter(([from, to]) => from.pid < to.pid);
  assert.equal(requests.length, wanted.requests, 'arrows');
  for (const [call, handled] of requests) assert.ok(call.name.endsWith(handled.name.split(' ')[0]), `${call.name} ${handled.name}`);
  console.log(`page: a trace of ${wanted.events} events is read with its ${wanted.slices} slices on ${threads.length} threads, and ${wanted.requests} requests as arrows`);
}
