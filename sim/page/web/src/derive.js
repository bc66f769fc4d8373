// What the lanes need beyond the items: when processes lived, which faults stood
// around them, and which step a task was in.

/** For each process its spans {state, from, until}: alive, frozen, dead. */
export function states(run) {
  const spans = run.processes.map(() => []);
  const open = run.processes.map(() => null);
  const turn = (p, state, at) => {
    if (open[p]) spans[p].push({ ...open[p], until: at });
    open[p] = { state, from: at };
  };
  for (const item of run.items) {
    if (item.kind !== 'life' || item.process < 0) continue;
    switch (item.happened) {
      case 'boot': turn(item.process, 'alive', item.at); break;
      case 'pause': turn(item.process, 'frozen', item.at); break;
      case 'resume': turn(item.process, 'alive', item.at); break;
      case 'crash': case 'kill': case 'exit': turn(item.process, 'dead', item.at); break;
    }
  }
  open.forEach((span, p) => { if (span) spans[p].push({ ...span, until: null }); });
  return spans;
}

/** The faults that stood around a process for a while, freezes aside. */
export const standing = (run) => run.items.filter((item) => item.kind === 'fault' && item.untilT > item.at.t && item.name !== 'pause' && item.process >= 0);

/** For each task the spans in which its visible requests were of one step, along the axis. */
export function steps(axis, items) {
  const spans = new Map();
  for (const q of items) {
    if (q.kind !== 'request' || q.copy) continue;
    let list = spans.get(q.task.id);
    if (!list) spans.set(q.task.id, list = []);
    const last = list.at(-1);
    const from = q.p;
    const until = axis.of(q.until);
    if (last && last.step === q.step && last.inc === q.inc && (axis.byTime || from - last.upto < 4)) {
      last.upto = Math.max(last.upto, until);
      continue;
    }
    list.push({ step: q.step, inc: q.inc, start: from, upto: until, valueOf() { return this.start; } });
  }
  return spans;
}

/** Puts the visible items in the order of the axis, each with its places along it. */
export function arrange(axis, items) {
  for (const item of items) {
    item.p = axis.of(item.at);
    if (item.kind !== 'request') continue;
    item.ph = item.handled ? axis.of(item.handled) : item.p;
    item.pr = item.replied ? axis.of(item.replied) : item.ph;
  }
  items.sort((a, b) => a.p - b.p || a.at.e - b.at.e || a.order - b.order);
}

/** For each item the furthest place that it or an earlier one reaches: what lies left of a view is found by bisection. */
export function ends(axis, items) {
  const reach = new Float64Array(items.length);
  let furthest = -Infinity;
  items.forEach((item, i) => {
    furthest = Math.max(furthest, item.kind === 'request' ? axis.of(item.until) : item.p);
    reach[i] = furthest;
  });
  return reach;
}

/** The other requests of a request's transaction, in order. */
export function transaction(run, q) {
  if (!q.startTS) return [];
  return run.requests.filter((other) => other !== q && other.startTS === q.startTS && other.store === q.store);
}
