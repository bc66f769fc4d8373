import { bisectLeft, bisectRight } from 'd3-array';
import { scaleLinear } from 'd3-scale';
import { EFFECT } from './model.js';

// Where things are along the run. By events, each moment at which something
// visible happens takes one step, and a pause a little more: a flip of a hundred
// milliseconds and a freeze of a hundred seconds are both readable. By time, the
// axis is the virtual clock.

/** Whether an item is shown, given what the person chose. */
export function shows(choice, item) {
  if (item.level < choice.level) return false;
  if (item.process >= 0 && !choice.processes.has(item.process)) return false;
  if (choice.step && item.step !== choice.step && (item.kind === 'request' || item.kind === 'log' || item.kind === 'client')) return false;
  if (choice.key && item.kind === 'request' && !item.keys.some((key) => key.includes(choice.key))) return false;
  return !(choice.key && item.kind === 'change' && !item.key.includes(choice.key));
}

/** The axis of the visible items of a run. */
export function makeAxis(run, items, byTime) {
  const points = new Map(); // time by event
  const see = (p) => { if (p) points.set(p.e, p.t); };
  for (const item of items) {
    see(item.at);
    if (item.kind !== 'request') continue;
    see(item.handled);
    see(item.until);
  }
  if (run.violation) for (const ref of [...run.violation.refs, run.violation.at]) points.set(ref.event, ref.at);
  for (const chance of run.chances) see(chance.at);
  const events = Float64Array.from(points.keys()).sort();
  const times = Float64Array.from(events, (e) => points.get(e));
  const places = new Float64Array(events.length);
  for (let i = 1; i < events.length; i++) {
    const gap = times[i] - times[i - 1];
    places[i] = places[i - 1] + 1 + Math.min(2, Math.max(0, Math.log10(1 + gap / 1e9)) * 1.2);
  }
  const axis = { byTime, events, times, places, count: events.length };
  axis.ofTime = byTime ? (t) => t : (t) => between(times, places, t);
  axis.ofEvent = byTime ? (e) => between(events, times, e) : (e) => between(events, places, e);
  axis.of = byTime ? (p) => p.t : (p) => axis.ofEvent(p.e);
  axis.start = byTime ? 0 : -1;
  axis.end = Math.max(byTime ? run.virtual * 1.04 : (places.at(-1) ?? 0) + 2, axis.start + 1);
  return axis;
}

/** The value that belongs to x, between the neighbours that are known. */
function between(xs, ys, x) {
  const n = xs.length;
  if (n === 0) return 0;
  if (x <= xs[0]) return ys[0];
  if (x >= xs[n - 1]) return ys[n - 1];
  const i = bisectRight(xs, x) - 1;
  if (xs[i] === x) return ys[bisectLeft(xs, x)];
  return ys[i] + ((x - xs[i]) / (xs[i + 1] - xs[i])) * (ys[i + 1] - ys[i]);
}

/** Places along the axis for labels of virtual time, at least that many pixels apart. */
export function ticks(axis, scale, apart) {
  const [a, b] = scale.domain();
  const [left, right] = scale.range();
  if (axis.byTime) {
    const seconds = scaleLinear([a / 1e9, b / 1e9], [left, right]);
    const count = Math.max(2, Math.floor((right - left) / apart));
    const format = seconds.tickFormat(count);
    return seconds.ticks(count).map((s) => ({ x: seconds(s), label: `${format(s)} s` }));
  }
  const found = [];
  let last = -Infinity;
  for (let i = bisectLeft(axis.places, a); i < axis.count && axis.places[i] <= b; i++) {
    const x = scale(axis.places[i]);
    if (x - last < apart) continue;
    found.push({ x, label: `${(axis.times[i] / 1e9).toFixed(3)} s` });
    last = x;
  }
  return found;
}

/** The long waits in view: where, and for how long nothing visible happened. */
export function waits(axis, scale, width) {
  if (axis.byTime) return [];
  const [a, b] = scale.domain();
  const found = [];
  for (let i = Math.max(1, bisectLeft(axis.places, a)); i < axis.count && axis.places[i - 1] <= b; i++) {
    const gap = axis.times[i] - axis.times[i - 1];
    const from = scale(axis.places[i - 1]);
    const until = scale(axis.places[i]);
    if (gap >= 1e9 && until - from >= width) found.push({ from, until, gap });
  }
  return found;
}

/** What to look at first: the story to the violation, or its end if it is long. */
export function opening(run, axis, items) {
  if (axis.byTime || axis.count === 0) return [axis.start, axis.end];
  const v = run.violation;
  if (!v) return axis.count <= 160 ? [axis.start, axis.end] : [axis.places[0] - 1, axis.places[159]];
  const end = Math.min(axis.ofEvent(v.at.event) + 5, axis.end);
  if (end - axis.start <= 90) return [axis.start, Math.max(end, axis.start + 20)];
  const wanted = [...v.refs.map((r) => axis.ofEvent(r.event)), ...items.filter((i) => i.kind === 'fault' && i.level > EFFECT).map((i) => axis.of(i.at))];
  const near = wanted.filter((x) => end - x <= 110);
  return [Math.max(axis.start, Math.min(end - 50, ...near.map((x) => x - 3))), end];
}
