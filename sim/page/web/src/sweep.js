import { axisBottom, axisLeft } from 'd3-axis';
import { scaleLinear } from 'd3-scale';
import { create, select } from 'd3-selection';
import { line as makeLine, curveStepAfter } from 'd3-shape';
import { el, themeSwitch } from './dom.js';

// The page of a sweep: what failed, what was found over time, which faults were
// drawn and which fired, and what was never reached.

const data = JSON.parse(document.getElementById('data').textContent);
const number = new Intl.NumberFormat('en').format;
const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

function header() {
  const kinds = data.failures.length;
  const title = data.failed ? `${plural(data.failed, 'universe')} of ${number(data.seeds)} failed, in ${plural(kinds, 'way')}` : `${plural(data.seeds, 'universe')}, and everything held`;
  return el('header', {},
    el('div', { class: 'verdict' }, el('span', { class: data.failed ? 'badge fail' : 'badge held' }, data.failed ? 'FAIL' : 'HELD'), el('h1', {}, title), el('span', { class: 'space' }), themeSwitch(() => {})),
    el('p', { class: 'facts' }, el('span', { class: 'muted' }, data.line.replace(/^sim: total /, ''))));
}

function section(id, title, about, ...content) {
  return el('section', { id, 'aria-labelledby': `${id}-title` }, el('h2', { id: `${id}-title` }, title), about ? el('p', { class: 'muted' }, about) : null, ...content);
}

function failures() {
  if (data.failures.length === 0) return section('failures', 'Failures', null, el('p', { class: 'empty' }, 'None. Whether that means something, the rest of this page says.'));
  const most = Math.max(...data.failures.map((f) => f.count));
  return section('failures', 'Failures', 'Grouped by the invariant and the shape; each kind was reduced and explained once, from its first seed.', ...data.failures.map((f) => el('details', { class: 'failure' },
    el('summary', {},
      el('span', { class: 'count' }, number(f.count)),
      el('span', { class: 'what' }, el('strong', {}, f.invariant), f.shape ? el('span', { class: 'muted' }, ` ${f.shape}`) : null, el('span', { class: 'text' }, f.text),
        el('span', { class: 'meter', 'aria-hidden': 'true' }, bar(f.count / most, 'bad')))),
    el('dl', {},
      row('First seeds', ...f.seeds.map((seed) => el('code', {}, seed)), f.count > f.seeds.length ? el('span', { class: 'muted' }, `and ${number(f.count - f.seeds.length)} more`) : null),
      row(f.needed ? 'Needed faults' : 'Faults', ...(f.faults.length ? f.faults.map((fault) => el('code', {}, fault)) : [f.report ? 'none: the order of events alone does it' : 'not reduced'])),
      f.plan ? row('Kept as', el('code', {}, f.plan)) : null),
    f.report ? el('pre', { class: 'report', tabindex: '0' }, f.report) : null)));
}

const row = (name, ...value) => el('div', { class: 'row' }, el('dt', {}, name), el('dd', {}, ...value));

/** A bar whose length is a share of its room. */
function bar(share, kind) {
  const node = el('span', { class: `bar ${kind}` });
  node.style.width = `${Math.max(share * 100, share > 0 ? 1 : 0)}%`;
  return node;
}

/** A discovery curve: how much was known after how many universes. */
function chart(title, column) {
  const [width, height, left, right, bottom, top] = [560, 230, 58, 18, 34, 12];
  const points = [[0, 0, 0], ...data.curve];
  const last = points.at(-1);
  const x = scaleLinear([0, Math.max(last[0], 1)], [left, width - right]);
  const y = scaleLinear([0, Math.max(last[column], 1)], [height - bottom, top]).nice();
  const svg = create('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('role', 'img').attr('aria-label', `${title}: ${number(last[column])} after ${number(last[0])} universes`);
  svg.append('g').attr('class', 'axis').attr('transform', `translate(0,${height - bottom})`).call(axisBottom(x).ticks(6).tickSizeOuter(0));
  svg.append('g').attr('class', 'axis').attr('transform', `translate(${left},0)`).call(axisLeft(y).ticks(5).tickSize(-(width - left - right)).tickSizeOuter(0));
  svg.append('path').attr('class', 'curve').attr('d', makeLine((p) => x(p[0]), (p) => y(p[column])).curve(curveStepAfter)(points));
  svg.append('circle').attr('class', 'end').attr('r', 3.5).attr('cx', x(last[0])).attr('cy', y(last[column]));
  const read = svg.append('g').attr('class', 'read').attr('display', 'none');
  read.append('line').attr('y1', top).attr('y2', height - bottom);
  const words = read.append('text').attr('y', top + 10);
  svg.on('pointermove', (event) => {
    const box = svg.node().getBoundingClientRect();
    const at = x.invert(((event.clientX - box.left) / box.width) * width);
    const point = points.findLast((p) => p[0] <= at) ?? points[0];
    read.attr('display', null).select('line').attr('x1', x(point[0])).attr('x2', x(point[0]));
    const near = x(point[0]) > width - 200;
    words.attr('x', x(point[0]) + (near ? -6 : 6)).attr('text-anchor', near ? 'end' : 'start').text(`${number(point[column])} after ${number(point[0])}`);
  }).on('pointerleave', () => read.attr('display', 'none'));
  const half = points.find((p) => p[column] >= 0.9 * last[column]);
  return el('figure', {}, el('figcaption', {}, el('strong', {}, `${title}: ${number(last[column])}`), el('span', { class: 'muted' }, half && last[column] ? `  nine tenths after ${number(half[0])} of ${number(last[0])} universes` : '')), svg.node());
}

function discovery() {
  return section('discovery', 'What was found over time', 'A curve that still climbs at its end says that more universes would find more. Marks are situations that the system names; states are abstract states of it.',
    el('div', { class: 'charts' }, chart('Marks', 1), chart('States', 2)));
}

function outcomes() {
  const all = data.outcomes?.reduce((sum, o) => sum + o.N, 0) ?? 0;
  if (!all) return null;
  return section('outcomes', 'How the work ended', null, table(['Outcome', 'Pieces', 'Share', ''], data.outcomes.map((o) => [o.Name, number(o.N), percent(o.N / all), bar(o.N / all, 'plain')])));
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function kinds() {
  const sorted = [...data.kinds].sort((a, b) => a.drawn - b.drawn);
  const most = Math.max(1, ...sorted.map((k) => k.drawn));
  const never = sorted.filter((k) => k.fired === 0);
  return section('kinds', 'Faults, drawn and fired', 'Drawn: struck a call. Fired: gave it another outcome, or another place in the order.',
    never.length ? el('p', { class: 'warning' }, `Never fired: ${never.map((k) => k.name).join(', ')}`) : null,
    table(['Kind', 'Drawn', 'Fired', 'Fired of drawn', ''], sorted.map((k) => [
      el('span', { title: k.about }, k.name), number(k.drawn), number(k.fired), k.drawn ? percent(k.fired / k.drawn) : '–',
      el('span', { class: 'two' }, bar(k.drawn / most, 'plain'), bar(k.fired / most, 'accent'))])));
}

function marks() {
  const never = data.marks.filter((m) => m.wanted && m.times === 0);
  return section('marks', 'Marks', 'The rarest first. A mark that the search must reach and did not says that its silence means nothing there.',
    never.length ? el('p', { class: 'warning' }, `Never reached: ${never.map((m) => m.name).join(', ')}`) : null,
    data.marks.length ? table(['Mark', 'Universes', 'Share', 'Times', ''], data.marks.map((m) => [
      el('span', { class: m.times === 0 ? 'never' : '' }, m.name, m.wanted ? null : el('span', { class: 'muted' }, ' (not asked for)')), number(m.seeds), percent(m.seeds / Math.max(data.seeds, 1)), number(m.times), bar(m.seeds / Math.max(data.seeds, 1), 'plain')]))
      : el('p', { class: 'empty' }, 'The system names none.'));
}

function table(heads, rows) {
  const numeric = (i) => (i > 0 && i < heads.length - 1 ? 'number' : '');
  return el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, ...heads.map((head, i) => el('th', { scope: 'col', class: numeric(i) }, head)))),
    el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell, i) => el(i ? 'td' : 'th', { class: numeric(i), scope: i ? null : 'row' }, cell)))))));
}

document.body.classList.add('sweep');
document.body.append(header(), el('main', {}, failures(), discovery(), el('div', { class: 'columns' }, kinds(), el('div', {}, marks(), outcomes()))));
select(document.documentElement).attr('data-ready', 'yes');
