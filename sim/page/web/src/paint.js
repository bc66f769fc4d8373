import { bisectLeft } from 'd3-array';
import { RULER, storeNames } from './lanes.js';
import { ticks, waits } from './axis.js';
import { duration, troubled } from './model.js';

// Draws what is in view on a canvas. Nothing is drawn by colour alone: trouble has
// a dash and a shape of its own.

const DASH = { lost: [5, 4], refused: [2, 3], 'reply-lost': [], unheard: [], late: [9, 3, 2, 3], failed: [], effect: [], plain: [] };

/** How many arrows of one look there may be in view for each pixel of its width: beyond, its requests are marks. */
const CROWD = { plain: 0.4, effect: 0.35 };
const MOST = 1.5;

/** The height of a lane from which on there is room for what each request is. */
const ROOMY = 34;

export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.g = canvas.getContext('2d');
    this.palette = {};
  }

  resize(width, height) {
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.g.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  readPalette() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['bg', 'lane', 'grid', 'text', 'muted', 'accent', 'plain', 'effect', 'good', 'warn', 'bad', 'late', 'violation', 'frozen', 'lease', 'claim', 'other', 'match', 'band']) {
      this.palette[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.font = style.getPropertyValue('--canvas-font').trim();
  }

  color(look) {
    const p = this.palette;
    return { lost: p.bad, refused: p.warn, 'reply-lost': p.bad, unheard: p.late, late: p.late, failed: p.warn, effect: p.effect, plain: p.plain }[look];
  }

  /** view: {run, axis, lanes, items, scale, left, scroll, selected, matches, diff} */
  paint(view) {
    const { g, width, height } = this;
    this.view = view;
    this.storesTop = height - view.lanes.storesHeight;
    const [[from, until], [left, right]] = [view.scale.domain(), view.scale.range()];
    this.k = (right - left) / (until - from);
    this.b = left - this.k * from;
    this.taken = new Map(); // x up to which labels of a row reach
    g.fillStyle = this.palette.bg;
    g.fillRect(0, 0, width, height);
    this.inView = this.visible();
    this.clip(view.left, RULER, width - view.left, this.storesTop - RULER, () => {
      this.lanes();
      this.waits();
      this.bands();
      this.bars();
      this.steps();
      this.chances();
    });
    this.storeLanes();
    this.clip(view.left, RULER, width - view.left, height - RULER, () => {
      const list = this.requests();
      this.happenings();
      this.callLabels(list);
      this.lines();
    });
    this.ruler();
    this.names();
  }

  clip(x, y, w, h, draw) {
    const { g } = this;
    g.save();
    g.beginPath();
    g.rect(x, y, w, h);
    g.clip();
    draw();
    g.restore();
  }

  x(point) { return this.px(this.view.axis.of(point)); }
  xt(t) { return this.px(this.view.axis.ofTime(t)); }
  /** The x of a place along the axis. */
  px(place) { return this.k * place + this.b; }
  /** The y of something in the scrolled part. */
  y(y) { return y + RULER - this.view.scroll; }
  storeY(s) { return this.storesTop + this.view.lanes.stores[s].mid; }
  /** The y of a task's lane; null if it is hidden, or below what is in view. */
  taskY(task) {
    const row = this.view.lanes.ofTask.get(task.id);
    const y = row && this.y(row.mid);
    return row && y < this.storesTop ? y : null;
  }

  /** The visible items whose way crosses the view. */
  visible() {
    const { items, ends, scale } = this.view;
    const [a, b] = scale.domain();
    const found = [];
    for (let i = bisectLeft(ends, a); i < items.length && items[i].p <= b; i++) found.push(items[i]);
    return found;
  }

  lanes() {
    const { g, width, palette } = this;
    this.view.lanes.rows.forEach((row, i) => {
      g.fillStyle = i % 2 ? palette.bg : palette.lane;
      g.fillRect(0, this.y(row.y), width, row.h);
      g.strokeStyle = palette.grid;
      g.lineWidth = 1;
      line(g, this.view.left, Math.round(this.y(row.mid)) + 0.5, width, Math.round(this.y(row.mid)) + 0.5);
    });
  }

  waits() {
    const { g, palette } = this;
    g.font = `10px ${this.font}`;
    g.textAlign = 'center';
    for (const wait of waits(this.view.axis, this.view.scale, 9)) {
      g.fillStyle = palette.band;
      g.fillRect(wait.from + 3, RULER, wait.until - wait.from - 6, this.storesTop - RULER);
      const label = duration(wait.gap);
      if (g.measureText(label).width + 4 > wait.until - wait.from) continue;
      g.fillStyle = palette.muted;
      g.fillText(label, (wait.from + wait.until) / 2, RULER + 13);
    }
    g.textAlign = 'left';
  }

  /** Lives: where a process is dead or frozen, and where a fault stands around it. */
  bands() {
    const { g, view, palette } = this;
    const { run, lanes } = view;
    for (const process of lanes.processes) {
      const top = this.y(process.y);
      const bottom = this.y(process.bottom);
      for (const span of run.states[process.p]) {
        const from = span.from ? this.x(span.from) : view.left;
        const until = span.until ? this.x(span.until) : this.x(run.end);
        if (until < view.left || from > this.width || until - from < 0.5) continue;
        if (span.state === 'alive') {
          g.fillStyle = palette.good;
          g.fillRect(from, top + 19, until - from, 2);
          continue;
        }
        this.hatch(from, top, until - from, bottom - top, span.state === 'frozen' ? palette.frozen : palette.muted, span.state === 'frozen' ? 0.22 : 0.1);
        this.label(`life${process.p}`, from + 5, top + 14, span.state === 'frozen' ? `frozen for ${duration((span.until ?? run.end).t - span.from.t)}` : 'not running', palette.muted, until - from - 8);
      }
    }
    for (const fault of run.standing) {
      const process = lanes.ofProcess.get(fault.process);
      if (!process) continue;
      const from = this.x(fault.at);
      const until = Math.min(this.xt(fault.untilT), this.x(run.end));
      g.fillStyle = palette.warn;
      g.globalAlpha = 0.14;
      g.fillRect(from, this.y(process.y), until - from, process.bottom - process.y);
      g.globalAlpha = 1;
      this.label(`life${process.p}`, from + 12, this.y(process.y) + 14, `${fault.name} until ${duration(fault.untilT)}`, palette.warn, Math.max(until - from, 40));
    }
  }

  hatch(x, y, w, h, color, alpha) {
    const { g } = this;
    g.save();
    g.beginPath();
    g.rect(Math.max(x, this.view.left), y, Math.min(w, this.width), h);
    g.clip();
    g.globalAlpha = alpha;
    g.fillStyle = color;
    g.fillRect(x, y, w, h);
    g.globalAlpha = alpha * 1.6;
    g.strokeStyle = color;
    g.lineWidth = 1;
    g.beginPath();
    const from = Math.max(x, this.view.left) - h;
    const first = x + Math.floor((from - x) / 9) * 9;
    for (let at = first; at < Math.min(x + w, this.width); at += 9) {
      g.moveTo(at, y + h);
      g.lineTo(at + h, y);
    }
    g.stroke();
    g.restore();
  }

  /** What processes hold: solid while it protects them, hatched after it lapsed. */
  bars() {
    const { g, view, palette } = this;
    const { lanes } = view;
    for (const bar of lanes.bars) {
      const { held } = bar;
      const from = this.px(bar.from);
      const until = this.px(bar.until);
      const y = this.y(bar.y);
      if (until < view.left || from > this.width || y > this.storesTop || y + bar.h < RULER) continue;
      const color = palette[held.what] ?? palette.other;
      const w = Math.max(until - from, 2);
      g.globalAlpha = 0.2;
      g.fillStyle = color;
      g.fillRect(from, y, w, bar.h);
      g.globalAlpha = 1;
      g.strokeStyle = color;
      g.lineWidth = view.selected === held ? 2.5 : 1;
      g.strokeRect(from + 0.5, y + 0.5, w - 1, bar.h - 1);
      for (const [a, b] of held.lapses) {
        const left = this.xt(a);
        g.fillStyle = palette.bg;
        g.fillRect(left, y + 1, this.xt(b) - left, bar.h - 2);
        this.hatch(left, y + 1, this.xt(b) - left, bar.h - 2, color, 0.25);
        if (this.xt(b) - left > 50) this.label(`lapse${y}`, left + 4, y + bar.h - 3, 'lapsed', color, this.xt(b) - left - 6);
      }
      const room = (held.lapses[0] ? this.xt(held.lapses[0][0]) : until) - Math.max(from, view.left) - 8;
      this.text(Math.max(from, view.left) + 4, y + bar.h - 3, `${held.what}: ${held.of}`, palette.text, room);
    }
  }

  /** How likely the failure was from each of some events on: the futures that were drawn there. */
  chances() {
    const { g, view, palette } = this;
    const { run, lanes } = view;
    if (!lanes.chance) return;
    const base = this.y(lanes.chance.y) + 26;
    run.chances.forEach((chance, i) => {
      const from = this.x(chance.at);
      const until = i + 1 < run.chances.length ? this.x(run.chances[i + 1].at) : this.x(run.end);
      const share = chance.fails / chance.tried;
      g.fillStyle = palette.violation;
      g.globalAlpha = 0.25;
      g.fillRect(from, base - share * 18, Math.max(until - from, 1), share * 18 + 1);
      g.globalAlpha = 1;
      this.label('chance', from + 3, base - 4, `${Math.round(100 * share)} %`, palette.text, 60);
    });
  }

  /** The protocol step that a task is in, behind its requests. */
  steps() {
    const { g, view, palette } = this;
    g.lineWidth = 1;
    const sparse = this.inView.length < 200;
    for (const row of view.lanes.rows) {
      const y = this.y(row.y);
      if (y > this.storesTop || y + row.h < RULER) continue;
      const spans = view.steps.get(row.task.id) ?? [];
      for (let i = Math.max(0, bisectLeft(spans, view.scale.domain()[0], 0, spans.length) - 1), n = 0; i < spans.length && n < 800; i++, n++) {
        const from = this.px(spans[i].start);
        if (from > this.width) break;
        const until = this.px(spans[i].upto);
        if (until < view.left) continue;
        g.globalAlpha = 0.1;
        g.fillStyle = palette.accent;
        g.fillRect(from - 4, y + 2, until - from + 8, row.h - 4);
        g.globalAlpha = 1;
        if (spans[i].step && (sparse || until - from > 30)) this.label(`step${row.task.id}`, Math.max(from - 2, view.left + 3), y + 11, spans[i].step, palette.muted, 140);
      }
    }
  }

  storeLanes() {
    const { g, view, width, palette } = this;
    g.fillStyle = palette.bg;
    g.fillRect(0, this.storesTop, width, view.lanes.storesHeight);
    g.strokeStyle = palette.muted;
    g.lineWidth = 1;
    line(g, 0, this.storesTop + 0.5, width, this.storesTop + 0.5);
    for (const store of view.lanes.stores) {
      g.strokeStyle = palette.grid;
      const y = Math.round(this.storeY(store.s)) + 0.5;
      line(g, view.left, y, width, y);
    }
  }

  requests() {
    const list = this.inView.filter((item) => item.kind === 'request');
    this.crowded = false;
    const order = ['plain', 'effect', 'failed', 'unheard', 'late', 'reply-lost', 'refused', 'lost'];
    for (const look of order) {
      const mine = list.filter((q) => q.look === look);
      if (mine.length === 0) continue;
      const arrows = mine.length <= (CROWD[look] ?? MOST) * (this.width - this.view.left);
      this.crowded ||= !arrows;
      this.strokes(mine, look, arrows, list.length);
    }
    if (this.view.selected?.kind === 'request') this.halo(this.view.selected);
    return list;
  }

  /** All requests of one look: their ways in one stroke each for there and back. */
  strokes(list, look, arrows, all) {
    const { g, view } = this;
    const color = this.color(look);
    g.strokeStyle = color;
    g.fillStyle = color;
    g.lineWidth = look === 'plain' ? 1 : 1.5;
    const seen = new Set();
    const heads = [];
    if (arrows) {
      g.globalAlpha = (look === 'plain' ? 0.5 : 0.9) * (all > 150 ? 0.6 : 1);
      g.setLineDash(DASH[look]);
      g.beginPath();
      for (const q of list) this.way(q, heads);
      g.stroke();
      g.setLineDash(['reply-lost', 'unheard', 'refused'].includes(look) ? [3, 4] : DASH[look]);
      g.beginPath();
      for (const q of list) this.back(q, heads);
      g.stroke();
      g.setLineDash([]);
      g.globalAlpha = 1;
    }
    for (const q of list) {
      const y = this.taskY(q.task);
      const x = this.px(q.p);
      if (y === null) continue;
      if (!arrows) { // one mark for each pixel
        const pixel = Math.round(x) * 4096 + Math.round(y);
        if (seen.has(pixel)) continue;
        seen.add(pixel);
        g.fillRect(x - 0.5, y - 4, 1.5, 8);
        continue;
      }
      dot(g, x, y, 2.6);
      if (q.only && view.diff) ring(g, x, y, this.palette.accent);
    }
    if (arrows) for (const head of heads) arrowHead(g, ...head);
    for (const q of list) if (!crowdedOut(arrows, q)) this.shape(q);
  }

  way(q, heads) {
    const { g } = this;
    const y = this.taskY(q.task);
    if (y === null) return;
    const x = this.px(q.p);
    const to = this.storeY(q.store);
    if (q.look === 'lost') { // it ends half-way
      const end = q.handled ? this.px(q.ph) : x + 14;
      g.moveTo(x, y);
      g.lineTo(x + (end - x) * 0.55, y + (to - y) * 0.55);
      return;
    }
    if (!q.handled) return;
    const end = this.px(q.ph);
    const share = q.look === 'refused' ? 0.86 : 1; // turned back at the door
    g.moveTo(x, y);
    g.lineTo(x + (end - x) * share, y + (to - y) * share);
    if (share === 1) heads.push([x, y, end, to]);
  }

  back(q, heads) {
    const { g } = this;
    const y = this.taskY(q.task);
    if (y === null || !q.handled || q.look === 'lost') return;
    const from = this.px(q.ph);
    const store = this.storeY(q.store);
    if (q.replied) {
      const to = this.px(q.pr);
      const share = q.look === 'refused' ? 0.86 : 1;
      g.moveTo(to + (from - to) * share, y + (store - y) * share);
      g.lineTo(to, y);
      heads.push([from, store, to, y]);
      return;
    }
    if (q.fate === 'reply lost') {
      g.moveTo(from, store);
      g.lineTo(from + 9, store + (y - store) * 0.45);
    }
  }

  /** The shape that says what became of a request, where it did. */
  shape(q) {
    const { g, view, palette } = this;
    const y = this.taskY(q.task);
    if (y === null) return;
    const store = this.storeY(q.store);
    const x = q.handled ? this.px(q.ph) : this.px(q.p);
    g.lineWidth = 2;
    switch (q.look) {
      case 'lost': {
        const end = q.handled ? x : this.px(q.p) + 14;
        const start = this.px(q.p);
        cross(g, start + (end - start) * 0.55, y + (store - y) * 0.55, 4.5);
        return;
      }
      case 'refused':
        bar(g, this.px(q.p) + (x - this.px(q.p)) * 0.86, y + (store - y) * 0.86, 6);
        return;
      case 'reply-lost':
        cross(g, x + 9, store + (y - store) * 0.45, 4.5);
        break;
      case 'unheard':
        hollow(g, q.replied ? this.px(q.pr) : x, y, 4, palette.bg);
        break;
      case 'late':
        hollow(g, x, store, 5, palette.bg);
        return;
      case 'failed':
        diamond(g, x, store, 5);
        return;
    }
    if (q.changes.length > 0) {
      g.fillStyle = palette.good;
      g.fillRect(x - 4, store - 4, 8, 8);
      g.fillStyle = this.color(q.look);
    } else if (q.look === 'plain' || q.look === 'effect') dot(g, x, store, 2);
    if (view.matches.has(q)) ring(g, this.px(q.p), y, palette.match);
  }

  /** What a request is, at its task, and what it changed, at its store. */
  callLabels(list) {
    const { view, palette } = this;
    const weight = (q) => (q === view.selected ? 4 : 0) + (this.isViolation(q) ? 3 : 0) + (troubled(q) ? 2 : 0) + (q.changes.length ? 1 : 0);
    const some = list.length > 300 ? list.filter((q) => weight(q) > 1).slice(0, 300) : list;
    const sorted = [...some].sort((a, b) => weight(b) - weight(a));
    for (const q of sorted) {
      const y = this.taskY(q.task);
      if (y === null) continue;
      const name = q.op.slice(q.op.indexOf('.') + 1);
      const roomy = view.lanes.ofTask.get(q.task.id).h >= ROOMY;
      if (roomy || weight(q) > 1) this.label(`op${q.task.id}`, this.px(q.p) + 5, y + (roomy ? 11 : 4), q.status === 'ok' || !q.effect ? name : `${name}: ${q.status || q.fate}`, q.look === 'plain' ? palette.muted : this.color(q.look), 150);
      if (q.changes.length === 0) continue;
      const [change] = [...q.changes].sort((a, b) => this.aboutSubject(b) - this.aboutSubject(a));
      const more = q.changes.length > 1 ? ` +${q.changes.length - 1}` : '';
      const table = change.key.split('/', 1)[0];
      const text = `${table} ${change.after === null ? 'gone' : brief(change.after)}${more}`;
      [17, 31].some((below) => this.label(`store${q.store} ${below}`, this.px(q.handled ? q.ph : q.p) + 6, this.storeY(q.store) + below, text, palette.text, 230));
    }
  }

  aboutSubject(change) {
    const subject = this.view.run.violation?.subject;
    return subject && change.key.includes(subject) ? (change.key.startsWith('merge') || change.key.startsWith('batch') ? 2 : 1) : 0;
  }

  isViolation(q) {
    return (this.view.run.violation?.refs ?? []).some((r) => r.event === q.handled?.e);
  }

  /** Faults, and what befell processes. */
  happenings() {
    const { g, view, palette } = this;
    const seen = new Set();
    for (const item of this.inView) {
      if (item.kind === 'request') continue;
      const row = this.rowOf(item);
      if (!row || item.kind !== 'change' && row.y > this.storesTop) continue;
      const x = this.px(item.p);
      const y = row.y;
      if (this.crowded) {
        const pixel = Math.round(x) * 4096 + Math.round(y);
        if (seen.has(pixel)) continue;
        seen.add(pixel);
      }
      if (item.kind === 'fault') {
        g.fillStyle = palette.bad;
        triangle(g, x, y, 7);
        this.label(row.label, x + 9, row.roomy ? y + 11 : y + 4, item.name, palette.bad, 160);
      } else if (item.kind === 'life') {
        this.life(item, x, y);
      } else if (item.kind === 'violation') {
        g.fillStyle = palette.violation;
        diamond(g, x, y, 6);
      } else {
        g.strokeStyle = palette.muted;
        g.lineWidth = 1.2;
        hollow(g, x, y, 3, palette.bg);
        if (item.kind === 'client') this.label(`said${Math.round(y)}`, x + 6, y + 4, `${item.text}${item.result ? `: ${item.result}` : ''}`, palette.muted, 180);
      }
      if (view.matches.has(item)) ring(g, x, y, palette.match);
      if (view.selected === item) ring(g, x, y, palette.accent, 10);
    }
  }

  life(item, x, y) {
    const { g, palette } = this;
    const words = { boot: `boot ${item.inc}`, crash: 'crash', pause: 'freeze', resume: 'wakes up', heal: 'all faults end', exit: 'exits', terminate: 'asked to stop', kill: 'killed', 'collect locks': 'locks collected' };
    const bad = ['crash', 'kill'].includes(item.happened);
    g.strokeStyle = bad ? palette.bad : palette.text;
    g.lineWidth = 2;
    if (bad) cross(g, x, y, 5);
    else line(g, x, y - 7, x, y + 7);
    this.label(`life${item.process}`, x + 8, y + 4, words[item.happened] ?? item.happened, bad ? palette.bad : palette.text, 140);
  }

  /** Where an item that is no request is drawn. */
  rowOf(item) {
    const { lanes } = this.view;
    if (item.kind === 'change') return { y: this.storeY(1) };
    if (item.process < 0) return lanes.world ? { y: this.y(lanes.world.y + 12), label: 'life-1' } : null;
    const task = item.kind === 'fault' ? lanes.ofTask.get(item.task) : item.task && lanes.ofTask.get(item.task.id);
    if (task && item.kind !== 'life') return { y: this.y(task.mid), label: `op${task.task.id}`, roomy: task.h >= ROOMY };
    const process = lanes.ofProcess.get(item.process);
    return process ? { y: this.y(process.y + 11), label: `life${item.process}` } : null;
  }

  halo(q) {
    const { g, palette } = this;
    const y = this.taskY(q.task);
    if (y === null) return;
    g.save();
    g.strokeStyle = palette.accent;
    g.globalAlpha = 0.4;
    g.lineWidth = 6;
    g.lineCap = 'round';
    g.beginPath();
    this.way(q, []);
    this.back(q, []);
    g.stroke();
    g.restore();
    ring(g, this.px(q.p), y, palette.accent, 8);
  }

  /** The violation, and where the two runs part. */
  lines() {
    const { g, view, palette } = this;
    const { run } = view;
    let flagged = Infinity;
    const flag = (x, text, color) => {
      g.strokeStyle = color;
      g.setLineDash([]);
      line(g, x, RULER, x, this.height);
      g.font = `600 11px ${this.font}`;
      const w = g.measureText(text).width + 12;
      if (x < view.left || x > this.width) return;
      const left = Math.min(Math.max(x - w / 2, view.left), this.width - w, flagged - w - 4);
      flagged = left;
      g.fillStyle = color;
      g.fillRect(left, RULER + 1, w, 17);
      g.fillStyle = palette.bg;
      g.fillText(text, left + 6, RULER + 13.5);
    };
    const flags = [];
    if (view.diff && view.first) flags.push([view.first, 'the runs part', palette.accent, 1.5]);
    if (run.violation) {
      const { first, second, at } = run.violation;
      flags.push([at.event, 'violation', palette.violation, 2]);
      if (first && first.event !== at.event) flags.push([first.event, second ? 'first' : 'last change', palette.violation, 1]);
    }
    flags.sort((a, b) => b[0] - a[0]); // from the right: each makes room for the next
    for (const [event, text, color, width] of flags) {
      g.lineWidth = width;
      flag(view.scale(view.axis.ofEvent(event)), text, color);
    }
  }

  ruler() {
    const { g, view, width, palette } = this;
    g.fillStyle = palette.lane;
    g.fillRect(0, 0, width, RULER);
    g.strokeStyle = palette.grid;
    line(g, 0, RULER - 0.5, width, RULER - 0.5);
    this.clip(view.left, 0, width - view.left, RULER, () => {
      g.font = `11px ${this.font}`;
      g.fillStyle = palette.muted;
      for (const tick of ticks(view.axis, view.scale, 84)) {
        g.fillRect(tick.x, RULER - 6, 1, 6);
        g.fillText(tick.label, tick.x + 4, 16);
      }
      g.textAlign = 'left';
    });
  }

  /** The column of names. */
  names() {
    const { g, view, palette } = this;
    g.fillStyle = palette.lane;
    g.fillRect(0, 0, view.left, this.height);
    g.strokeStyle = palette.grid;
    line(g, view.left - 0.5, 0, view.left - 0.5, this.height);
    g.font = `11px ${this.font}`;
    g.fillStyle = palette.muted;
    g.fillText(view.axis.byTime ? 'virtual time' : 'event by event', 10, 17);
    this.clip(0, RULER, view.left, this.storesTop - RULER, () => {
      if (view.lanes.chance) this.text(10, this.y(view.lanes.chance.y) + 22, 'P(fail)', palette.muted, view.left - 20);
      if (view.lanes.world) this.text(10, this.y(view.lanes.world.y) + 16, 'world', palette.muted, view.left - 20);
      for (const process of view.lanes.processes) {
        g.font = `600 13px ${this.font}`;
        g.fillStyle = palette.text;
        g.fillText(process.name, 10, this.y(process.y) + 16);
      }
      for (const row of view.lanes.rows) this.text(22, this.y(row.mid) + 4, row.task.name, palette.text, view.left - 30, 12);
    });
    line(g, 0, this.storesTop + 0.5, view.left, this.storesTop + 0.5);
    for (const store of view.lanes.stores) this.text(10, this.storeY(store.s) + 4, storeNames[store.name] ?? store.name, palette.text, view.left - 18, 12, '600');
  }

  /** A text in its room; nothing if there is hardly any. */
  text(x, y, text, color, room, size = 11, weight = '') {
    if (room < 14) return 0;
    const { g } = this;
    g.font = `${weight} ${size}px ${this.font}`;
    g.fillStyle = color;
    const fitted = fit(g, text, room);
    g.fillText(fitted, x, y);
    return fitted ? g.measureText(fitted).width : 0;
  }

  /** A text that is left out where it would lie on another one of its row; says whether it was drawn. */
  label(row, x, y, text, color, room) {
    const taken = this.taken.get(row) ?? [];
    if (x > this.width || y > this.height) return true;
    const { g } = this;
    g.font = `11px ${this.font}`;
    const width = Math.min(g.measureText(text).width, room) + 6;
    if (x + width > this.width && x - width - 14 > this.view.left) x -= width + 12; // at the edge: on the other side
    if (taken.some(([a, b]) => x < b && x + width > a)) return false;
    taken.push([x, x + width + 4]);
    this.taken.set(row, taken);
    this.text(x, y, text, color, room);
    return true;
  }
}

const crowdedOut = (arrows, q) => !arrows && (q.look === 'plain' || q.look === 'effect');

/** The text, cut to the room with an ellipsis. */
function fit(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (g.measureText(`${text.slice(0, mid)}…`).width <= room) low = mid;
    else high = mid - 1;
  }
  return low > 1 ? `${text.slice(0, low)}…` : '';
}

const brief = (words) => (words.length > 48 ? `${words.slice(0, 47)}…` : words);

function line(g, x1, y1, x2, y2) {
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2, y2);
  g.stroke();
}

function dot(g, x, y, r) {
  g.beginPath();
  g.arc(x, y, r, 0, 2 * Math.PI);
  g.fill();
}

function ring(g, x, y, color, r = 6) {
  const before = [g.strokeStyle, g.lineWidth];
  g.strokeStyle = color;
  g.lineWidth = 2.5;
  g.beginPath();
  g.arc(x, y, r, 0, 2 * Math.PI);
  g.stroke();
  [g.strokeStyle, g.lineWidth] = before;
}

function hollow(g, x, y, r, inside) {
  const before = g.fillStyle;
  g.beginPath();
  g.arc(x, y, r, 0, 2 * Math.PI);
  g.fillStyle = inside;
  g.fill();
  g.stroke();
  g.fillStyle = before;
}

function cross(g, x, y, r) {
  g.beginPath();
  g.moveTo(x - r, y - r);
  g.lineTo(x + r, y + r);
  g.moveTo(x + r, y - r);
  g.lineTo(x - r, y + r);
  g.stroke();
}

function bar(g, x, y, r) { line(g, x - r, y, x + r, y); }

function diamond(g, x, y, r) {
  g.beginPath();
  g.moveTo(x, y - r);
  g.lineTo(x + r, y);
  g.lineTo(x, y + r);
  g.lineTo(x - r, y);
  g.closePath();
  g.fill();
}

function triangle(g, x, y, r) {
  g.beginPath();
  g.moveTo(x, y - r);
  g.lineTo(x + r, y + r * 0.7);
  g.lineTo(x - r, y + r * 0.7);
  g.closePath();
  g.fill();
}

function arrowHead(g, x1, y1, x2, y2) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  g.beginPath();
  g.moveTo(x2, y2);
  g.lineTo(x2 - 7 * Math.cos(angle - 0.4), y2 - 7 * Math.sin(angle - 0.4));
  g.lineTo(x2 - 7 * Math.cos(angle + 0.4), y2 - 7 * Math.sin(angle + 0.4));
  g.closePath();
  g.fill();
}
