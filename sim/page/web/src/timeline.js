import { bisectLeft } from 'd3-array';
import { scaleLinear } from 'd3-scale';
import { select } from 'd3-selection';
import { zoom as makeZoom, zoomIdentity } from 'd3-zoom';
import { makeAxis, opening, shows } from './axis.js';
import { arrange, ends, standing, states, steps } from './derive.js';
import { button, el, themeSwitch } from './dom.js';
import { layout, RULER } from './lanes.js';
import { EFFECT, loadRun, PLAIN, searchText, STORY } from './model.js';
import { Painter } from './paint.js';
import { differencePanel, eventPanel, helpPanel, reportPanel, sentence } from './panel.js';
import { hit } from './hit.js';

// The page of one run, and the nearest passing one beside it.

class Page {
  constructor(doc) {
    this.doc = doc;
    this.runs = doc.runs.map((data, i) => {
      const run = loadRun(data, i);
      run.states = states(run);
      run.standing = standing(run);
      return run;
    });
    this.current = 0;
    this.choice = { level: this.runs[0].violation ? STORY : EFFECT, processes: new Set(this.run.processes.keys()), step: '', key: '' };
    this.byTime = false;
    this.selected = null;
    this.found = [];
    this.matches = new Set();
    this.tab = 'event';
    this.scroll = 0;
    this.build();
    this.painter.readPalette();
    this.refresh();
    this.resize();
    this.open();
    new ResizeObserver(() => this.resize()).observe(this.stage);
    addEventListener('keydown', (event) => this.key(event));
  }

  get run() { return this.runs[this.current]; }

  // The page's elements.

  build() {
    const run = this.run;
    const v = run.violation;
    const header = el('header', {},
      el('div', { class: 'verdict' },
        el('span', { class: v ? 'badge fail' : 'badge held' }, v ? 'FAIL' : 'HELD'),
        el('h1', {}, v ? v.invariant : 'Everything held', v?.rule ? el('span', { class: 'rule' }, v.rule) : null, v?.blame && v.blame !== 'system' ? el('span', { class: 'rule' }, `${v.blame}'s bug`) : null),
        el('span', { class: 'space' }), themeSwitch(() => { this.painter.readPalette(); this.draw(); })),
      v ? el('p', { class: 'sentence' }, v.text) : null,
      el('p', { class: 'facts' }, ...this.facts(run)));
    this.canvas = el('canvas', { id: 'lanes', tabindex: '0', role: 'application', 'aria-label': 'Lanes of processes and stores. Arrow keys step through the events; question mark for help.' });
    this.tip = el('div', { id: 'tip', role: 'tooltip', hidden: true });
    this.scroller = el('div', { id: 'scroller' }, this.spacer = el('div', {}));
    this.live = el('div', { id: 'live', class: 'unseen', 'aria-live': 'polite' });
    this.note = el('div', { id: 'note', hidden: true });
    this.stage = el('main', { id: 'stage' }, this.canvas, this.scroller, this.note, this.tip);
    this.panel = el('aside', { id: 'panel', 'aria-label': 'Details' }, this.tabs(), this.body = el('div', { id: 'body', role: 'tabpanel' }));
    document.body.append(header, this.toolbar(), el('div', { id: 'main' }, this.stage, this.panel), this.live);
    this.painter = new Painter(this.canvas);
    this.scroller.addEventListener('scroll', () => { this.scroll = this.scroller.scrollTop; this.draw(); });
    this.pointers();
  }

  facts(run) {
    const facts = [];
    if (run.violation) {
      const { needed } = run;
      facts.push(needed.length === 0 ? el('span', {}, 'no fault is needed') : el('span', {}, ...needed.slice(0, 3).map((f) => el('code', {}, f)), needed.length > 3 ? ` and ${needed.length - 3} more` : ''));
    }
    facts.push(el('span', { class: 'muted' }, run.line.replace(/^sim: /, '')));
    return facts;
  }

  toolbar() {
    this.levels = group('How much is shown', [...(this.run.violation ? [['Story', STORY, 'What the violation is about (1)']] : []), ['Changes', EFFECT, 'Every request that changes something, or failed (2)'], ['Everything', PLAIN, 'Reads and logs, too (3)']], (level) => this.setLevel(level));
    this.scales = group('What the axis shows', [['By events', false, 'Each moment takes one step (t)'], ['By time', true, 'The virtual clock (t)']], (byTime) => this.setByTime(byTime));
    this.processBox = el('details', { class: 'menu' }, el('summary', {}, 'Processes'), el('div', { class: 'pop' }, ...this.run.processes.map((name, p) => el('label', {}, el('input', { type: 'checkbox', checked: true, value: String(p), onchange: (event) => this.toggle(p, event.target.checked) }), ` ${name}`))));
    const stepNames = [...new Set(this.runs.flatMap((run) => run.requests.map((q) => q.step)))].filter(Boolean).sort();
    this.stepBox = el('select', { 'aria-label': 'Step', onchange: () => this.filter({ step: this.stepBox.value }) }, el('option', { value: '' }, 'every step'), ...stepNames.map((step) => el('option', { value: step }, step)));
    this.keyBox = el('input', { type: 'search', placeholder: 'key contains', 'aria-label': 'Key contains', oninput: () => this.filter({ key: this.keyBox.value.trim() }) });
    this.searchBox = el('input', { type: 'search', id: 'search', placeholder: 'search  /', 'aria-label': 'Search', oninput: () => this.search(this.searchBox.value) });
    this.count = el('output', { id: 'count', for: 'search' });
    this.runBox = this.runs.length > 1 ? group('Which run', [['Failing run', 0, 'The run that failed (x)'], ['Passing run', 1, `${this.runs[1].label} (x)`]], (i) => this.show(i)) : null;
    const go = el('span', { class: 'group' },
      button('‹', 'The event before (←)', () => this.step(-1)), button('›', 'The next event (→)', () => this.step(1)),
      this.run.violation ? button('Violation', 'Go to the violation (v)', () => this.toViolation()) : null);
    const zooms = el('span', { class: 'group' }, button('−', 'Farther (−)', () => this.zoomBy(1 / 1.6), { id: 'out' }), button('Fit', 'Everything (0)', () => this.fit(), { id: 'fit' }), button('+', 'Closer (+)', () => this.zoomBy(1.6), { id: 'in' }));
    return el('div', { id: 'toolbar', role: 'toolbar', 'aria-label': 'View' }, this.levels.node, this.scales.node, zooms, go, this.runBox?.node,
      el('span', { class: 'group loose' }, this.processBox, this.stepBox, this.keyBox), el('span', { class: 'group loose' }, this.searchBox, this.count));
  }

  tabs() {
    const names = [['event', 'Event'], ['report', 'Report'], ...(this.run.violation ? [['difference', 'Difference']] : []), ['help', 'Help']];
    this.tabButtons = new Map(names.map(([id, label]) => [id, button(label, label, () => this.openTab(id), { role: 'tab', id: `tab-${id}` })]));
    return el('div', { role: 'tablist', class: 'tabs' }, ...this.tabButtons.values());
  }

  // What is shown.

  /** Makes the axis and the lanes anew, after the choice or the run changed. */
  refresh() {
    this.items = this.run.items.filter((item) => shows(this.choice, item));
    this.axis = makeAxis(this.run, this.items, this.byTime);
    arrange(this.axis, this.items);
    this.reach = ends(this.axis, this.items);
    this.spans = steps(this.axis, this.items);
    this.place = new Map(this.items.map((item, i) => [item, i]));
    this.levels.set(this.choice.level);
    this.scales.set(this.byTime);
    this.runBox?.set(this.current);
    if (this.width) this.arrange();
  }

  /** Lays out the lanes for the size of the window. */
  arrange() {
    this.lanes = layout(this.run, this.axis, this.items, this.choice, this.height);
    this.lanesHeight = this.height - RULER - this.lanes.storesHeight;
    this.spacer.style.height = `${this.lanes.total}px`;
    this.scroller.style.top = `${RULER}px`;
    this.scroller.style.height = `${Math.max(this.lanesHeight, 0)}px`;
    this.scroller.hidden = this.lanes.total <= this.lanesHeight;
    this.base = scaleLinear([this.axis.start, this.axis.end], [this.left, this.width - 8]);
    const most = Math.max(1, (this.axis.end - this.axis.start) / (this.byTime ? 1e5 : 4));
    this.zoom.scaleExtent([1, most]).extent([[this.left, 0], [this.width - 8, this.height]]).translateExtent([[this.left, -Infinity], [this.width - 8, Infinity]]);
    this.setDomain(...(this.domain ?? [this.axis.start, this.axis.end]));
  }

  resize() {
    const box = this.stage.getBoundingClientRect();
    if (Math.floor(box.width) === this.width && Math.floor(box.height) === this.height) return;
    this.width = Math.floor(box.width);
    this.height = Math.floor(box.height);
    this.left = this.width < 700 ? 96 : 150;
    this.painter.resize(this.width, this.height);
    this.arrange();
  }

  /** The first view: the violation, and what led to it. */
  open() {
    this.setDomain(...opening(this.run, this.axis, this.items));
    const violation = this.violationItem();
    if (violation) this.select(violation, false);
    else this.renderBody();
  }

  violationItem() {
    const last = this.run.violation?.at.event;
    if (last === undefined) return null;
    return this.items.find((item) => item.kind === 'violation' || item.kind === 'request' && item.handled?.e === last || item.kind === 'client' && item.at.e === last) ?? this.items.find((item) => item.at.e === last) ?? this.items.findLast((item) => item.at.e <= last) ?? null;
  }

  setDomain(a, b) {
    if (!this.base) { this.domain = [a, b]; return; }
    const k = Math.max(1, (this.axis.end - this.axis.start) / Math.max(b - a, 1e-9));
    const x = this.left - k * this.base(a);
    select(this.canvas).call(this.zoom.transform, zoomIdentity.translate(x, 0).scale(k));
  }

  zoomed(transform) {
    this.scale = transform.rescaleX(this.base);
    this.domain = this.scale.domain();
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      const begun = performance.now();
      this.painter.paint({
        run: this.run, axis: this.axis, lanes: this.lanes, items: this.items, ends: this.reach, steps: this.spans, scale: this.scale, left: this.left,
        scroll: this.scroll, selected: this.selected, matches: this.matches, diff: this.runs.length > 1 && this.tab === 'difference', first: this.doc.first,
      });
      this.cost = performance.now() - begun;
      this.note.style.bottom = `${this.lanes.storesHeight + 8}px`;
      this.note.hidden = !this.painter.crowded && this.items.length > 0;
      this.note.textContent = this.items.length === 0 ? 'Nothing is shown: the filter leaves nothing over.' : 'Zoom in for the arrows.';
    });
  }

  // What the person does.

  setLevel(level) {
    this.keepPlace(() => { this.choice.level = level; });
  }

  setByTime(byTime) {
    this.keepPlace(() => { this.byTime = byTime; });
  }

  toggle(p, on) {
    this.keepPlace(() => { this.choice.processes[on ? 'add' : 'delete'](p); });
  }

  filter(change) {
    this.keepPlace(() => Object.assign(this.choice, change));
  }

  /** Changes what is shown, and keeps in view what was. */
  keepPlace(change) {
    const anchor = this.selected && this.place.has(this.selected) && this.inView(this.selected) ? this.selected.at : this.middle();
    change();
    this.domain = null;
    this.refresh();
    this.domain = null;
    const span = this.byTime ? this.timeSpan(anchor) : Math.min(70, this.axis.end - this.axis.start);
    const at = this.axis.of(anchor);
    this.setDomain(...this.within(at - span / 2, span));
    this.search(this.searchBox.value, false);
    this.draw();
  }

  /** As much time around a point as the fifty moments around it take. */
  timeSpan(anchor) {
    const { events, times } = this.axis;
    const i = bisectLeft(events, anchor.e);
    const near = times[Math.min(times.length - 1, i + 25)] - times[Math.max(0, i - 25)];
    return Math.max(near * 1.2, 1e6);
  }

  within(a, span) {
    const from = Math.max(this.axis.start, Math.min(a, this.axis.end - span));
    return [from, Math.min(this.axis.end, from + span)];
  }

  middle() {
    const [a, b] = this.scale.domain();
    const i = Math.min(this.axis.count - 1, bisectLeft(this.byTime ? this.axis.times : this.axis.places, (a + b) / 2));
    return i < 0 ? { e: 0, t: 0 } : { e: this.axis.events[i], t: this.axis.times[i] };
  }

  inView(item) {
    const x = this.scale(this.axis.of(item.at));
    return x >= this.left + 12 && x <= this.width - 24;
  }

  show(i) {
    if (i >= this.runs.length) return;
    this.selected = null;
    this.keepPlace(() => { this.current = i; });
    this.renderBody();
  }

  zoomBy(k) {
    select(this.canvas).call(this.zoom.scaleBy, k);
  }

  fit() { this.setDomain(this.axis.start, this.axis.end); }

  pan(share) {
    const [a, b] = this.scale.domain();
    this.setDomain(...this.within(a + share * (b - a), b - a));
  }

  select(item, reveal = true) {
    this.selected = item;
    if (item) {
      this.live.textContent = sentence(this.run, item);
      if (reveal) this.reveal(item);
      else this.revealRow(item);
      if (this.tab === 'report' || this.tab === 'help') this.tab = 'event';
    }
    this.renderBody();
    this.draw();
  }

  /** Moves the view so that an item is in it. */
  reveal(item) {
    if (!this.inView(item)) {
      const [a, b] = this.scale.domain();
      this.setDomain(...this.within(this.axis.of(item.at) - (b - a) / 2, b - a));
    }
    this.revealRow(item);
  }

  revealRow(item) {
    const row = item.task && this.lanes.ofTask.get(item.task.id);
    const y = row?.y ?? this.lanes.ofProcess.get(item.process)?.y;
    if (y === undefined || (y >= this.scroll && y + 40 <= this.scroll + this.lanesHeight)) return;
    this.scroller.scrollTop = Math.max(0, y - this.lanesHeight / 2);
    this.scroll = this.scroller.scrollTop;
  }

  /** Selects an item; shows more if it is not among what is shown. */
  go(item, event) {
    if (!item) {
      const i = bisectLeft(this.axis.events, event);
      const [a, b] = this.scale.domain();
      const at = this.byTime ? this.axis.times[i] : this.axis.places[i];
      if (i < this.axis.count) this.setDomain(...this.within(at - (b - a) / 2, b - a));
      return;
    }
    if (!this.place.has(item)) this.keepPlace(() => Object.assign(this.choice, { level: Math.min(this.choice.level, item.level), step: '', key: '' }));
    if (!this.place.has(item)) this.keepPlace(() => this.choice.processes.add(item.process));
    this.stepBox.value = this.choice.step;
    this.keyBox.value = this.choice.key;
    this.select(item);
  }

  /** Steps to the next item, or that of the same task. */
  step(by, sameTask = false) {
    const from = this.place.get(this.selected);
    let i = from === undefined ? bisectLeft(this.reach, this.scale.domain()[0]) + (by > 0 ? -1 : 0) : from;
    do i += by; while (sameTask && this.items[i] && (this.items[i].task ?? null) !== (this.selected?.task ?? null));
    if (this.items[i]) this.select(this.items[i]);
  }

  toViolation() {
    const item = this.violationItem();
    if (!item) return;
    this.setDomain(...opening(this.run, this.axis, this.items));
    this.select(item);
  }

  nextFault() {
    const faults = this.items.filter((item) => item.kind === 'fault');
    const after = this.place.get(this.selected) ?? -1;
    const next = faults.find((f) => this.place.get(f) > after) ?? faults[0];
    if (next) this.select(next);
  }

  search(text, jump = true) {
    const wanted = text.trim().toLowerCase();
    this.found = wanted ? this.items.filter((item) => searchText(this.run, item).includes(wanted)) : [];
    this.matches = new Set(this.found);
    this.at = -1;
    this.count.textContent = wanted ? `${this.found.length}` : '';
    if (jump && wanted && this.found.length) this.nextMatch(1, true);
    this.draw();
  }

  nextMatch(by, stay = false) {
    if (this.found.length === 0) return;
    this.at = (this.at + by + this.found.length) % this.found.length;
    this.count.textContent = `${this.at + 1} / ${this.found.length}`;
    this.select(this.found[this.at]);
    if (!stay) this.canvas.focus();
  }

  openTab(id) {
    this.tab = id;
    this.renderBody();
    this.draw();
  }

  renderBody() {
    this.panel.dataset.tab = this.tab;
    for (const [id, tab] of this.tabButtons) tab.setAttribute('aria-selected', String(id === this.tab));
    const go = (item, event) => this.go(item, event);
    const content = {
      event: () => eventPanel(this.run, this.selected, go),
      report: () => reportPanel(this.doc),
      difference: () => differencePanel(this.runs, this.doc.first, this.current, go, () => this.show(1 - this.current)),
      help: () => helpPanel(),
    }[this.tab]();
    this.body.replaceChildren(...content.filter(Boolean));
    this.body.scrollTop = 0;
  }

  // Pointers and keys.

  pointers() {
    let lastY = null;
    this.zoom = makeZoom()
      .filter((event) => (event.type === 'wheel' ? event.offsetX > this.left : !event.button))
      .wheelDelta((event) => -event.deltaY * (event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002))
      .on('start', (event) => { lastY = event.sourceEvent?.clientY ?? null; })
      .on('zoom', (event) => {
        if (event.sourceEvent?.type === 'mousemove' && lastY !== null) {
          this.scroller.scrollTop -= event.sourceEvent.clientY - lastY;
          lastY = event.sourceEvent.clientY;
        }
        this.zoomed(event.transform);
      });
    const canvas = select(this.canvas);
    this.canvas.addEventListener('wheel', (event) => this.wheel(event), { capture: true, passive: false });
    canvas.call(this.zoom).on('dblclick.zoom', null);
    this.canvas.addEventListener('click', (event) => {
      this.canvas.focus({ preventScroll: true });
      const item = hit(this.painter, event.offsetX, event.offsetY);
      if (item?.kind === 'holding') this.tab = 'event';
      this.select(item, false);
    });
    this.canvas.addEventListener('mousemove', (event) => this.hover(event));
    this.canvas.addEventListener('mouseleave', () => { this.tip.hidden = true; });
  }

  /** The wheel zooms; sideways, or with shift, it moves; over the names it scrolls. */
  wheel(event) {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.offsetX > this.left && !sideways) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (sideways) this.pan((event.deltaX || event.deltaY) / this.width);
    else this.scroller.scrollTop += event.deltaY;
  }

  hover(event) {
    if (event.buttons) return;
    const item = hit(this.painter, event.offsetX, event.offsetY);
    this.canvas.style.cursor = item ? 'pointer' : 'default';
    this.tip.hidden = !item;
    if (!item) return;
    this.tip.textContent = sentence(this.run, item);
    const right = event.offsetX > this.width - 340;
    this.tip.style.left = right ? 'auto' : `${event.offsetX + 14}px`;
    this.tip.style.right = right ? `${this.width - event.offsetX + 14}px` : 'auto';
    this.tip.style.top = `${event.offsetY + 14}px`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.('input, select, textarea');
    if (typing) {
      if (event.key === 'Enter' && event.target === this.searchBox) this.nextMatch(1, true);
      if (event.key === 'Escape') this.canvas.focus();
      return;
    }
    if (event.target.matches?.('button, summary') && (event.key === 'Enter' || event.key === ' ')) return;
    const act = {
      ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), ArrowDown: () => this.step(1, true), ArrowUp: () => this.step(-1, true),
      l: () => this.step(1), h: () => this.step(-1), v: () => this.toViolation(), f: () => this.nextFault(), '+': () => this.zoomBy(1.6), '=': () => this.zoomBy(1.6),
      '-': () => this.zoomBy(1 / 1.6), 0: () => this.fit(), a: () => this.pan(-0.25), d: () => this.pan(0.25),
      1: () => this.run.violation && this.setLevel(STORY), 2: () => this.setLevel(EFFECT), 3: () => this.setLevel(PLAIN), t: () => this.setByTime(!this.byTime), '/': () => this.searchBox.focus(),
      n: () => this.nextMatch(1), N: () => this.nextMatch(-1), x: () => this.show(1 - this.current), '?': () => this.openTab('help'), Escape: () => this.select(null),
      Home: () => this.items[0] && this.select(this.items[0]), End: () => this.items.length && this.select(this.items.at(-1)),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** Buttons of which one is chosen. */
function group(name, choices, choose) {
  const buttons = choices.map(([label, value, title]) => button(label, title, () => choose(value)));
  return {
    node: el('span', { class: 'group', role: 'group', 'aria-label': name }, ...buttons),
    set: (value) => buttons.forEach((b, i) => b.setAttribute('aria-pressed', String(choices[i][1] === value))),
  };
}

globalThis.page = new Page(JSON.parse(document.getElementById('data').textContent));
document.documentElement.dataset.ready = 'yes';
