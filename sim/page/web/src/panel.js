import { el, button } from './dom.js';
import { clock, duration } from './model.js';
import { transaction } from './derive.js';
import { storeNames } from './lanes.js';

// The panel beside the lanes: one event in full, the report, what is different in
// the passing run, and how to read the page.

const fates = {
  lost: 'The request was lost on its way: the store never saw it.',
  'expired in flight': 'It was under way for too long: the store did not handle it any more.',
  refused: 'It was refused before the store handled it.',
  'reply lost': 'The store handled it; the reply was lost. Its caller does not know.',
  'reply dropped': 'The store handled it; when the reply came, nobody waited for it any more.',
};

/** One sentence about an item: also what screen readers are told. */
export function sentence(run, item) {
  const who = item.process >= 0 ? run.processes[item.process] : 'the world';
  switch (item.kind) {
    case 'request': return `${who}/${item.task.name}${item.step ? `, step ${item.step}` : ''}: ${item.op} ${item.keys[0] ?? ''}: ${item.fate === 'handled' ? item.status : item.fate}`;
    case 'life': return `${who}: ${item.happened}${item.detail ? ` ${item.detail}` : ''}`;
    case 'fault': return `fault at ${who}: ${item.name}`;
    case 'change': return `the world changed ${item.key}`;
    case 'violation': return `the violation: ${run.violation.text}`;
    case 'holding': return `${who} holds ${item.what}: ${item.of}`;
  }
  return `${who}/${item.task.name} ${item.kind === 'log' ? 'logs' : 'calls'}: ${item.text}${item.result ? `: ${item.result}` : ''}`;
}

const row = (name, ...value) => el('div', { class: 'row' }, el('dt', {}, name), el('dd', {}, ...value));
const point = (p) => (p ? [clock(p.t), el('span', { class: 'muted' }, `  event ${p.e}`)] : ['never']);

export function eventPanel(run, item, go) {
  if (!item) return [el('p', { class: 'muted' }, 'Click something in the lanes, or step through with ← and →.')];
  switch (item.kind) {
    case 'request': return requestPanel(run, item, go);
    case 'fault': return faultPanel(run, item, go);
    case 'violation': return violationPanel(run, item, go);
    case 'holding': return holdingPanel(run, item);
  }
  const rows = [row('When', ...point(item.at))];
  if (item.process >= 0) rows.push(row('Process', `${run.processes[item.process]}${item.inc ? `, incarnation ${item.inc}` : ''}`));
  if (item.task) rows.push(row('Task', item.task.name));
  if (item.step) rows.push(row('Step', item.step));
  if (item.detail) rows.push(row('Detail', item.detail));
  const violated = run.violation?.refs.find((r) => item.kind === 'client' && r.event === item.at.e);
  if (item.text) rows.push(row(item.kind === 'log' ? 'Log' : 'Call', item.text));
  if (item.result) rows.push(row('Result', item.result));
  const title = item.kind === 'life' ? item.happened : item.kind === 'change' ? 'changed by the world' : item.kind;
  return [el('h2', {}, title), violated ? el('p', { class: 'outcome violated' }, `${violated === run.violation.first && run.violation.second ? 'The first event of the violation' : 'The violation'}: ${violated.what}.`) : null, el('dl', {}, ...rows), item.kind === 'change' ? changeTable([item]) : null];
}

function requestPanel(run, q, go) {
  const wait = q.returned ? duration(q.returned.t - q.at.t) : '';
  const back = { reply: 'reply', 'timed out': 'its time was up', cancelled: 'its context ended' }[q.end];
  const parts = [
    el('h2', {}, el('span', { class: `look ${q.look}` }), q.op),
    el('p', { class: 'who' }, `${run.processes[q.process]}/${q.inc} ${q.task.name}${q.step ? ` · ${q.step}` : ''}`),
    outcome(run, q),
    el('dl', {},
      row('Sent', ...point(q.at)),
      row(q.fate === 'refused' ? 'Refused' : `At ${storeNames[run.stores[q.store]] ?? run.stores[q.store]}`, ...point(q.handled)),
      row('Caller went on', ...(q.returned ? [...point(q.returned), el('div', { class: 'muted' }, `${back}, after ${wait}`)] : ['never: it died, or the run ended'])),
      q.startTS ? row('Transaction', `start ${q.startTS}`, q.commitTS ? `, commit ${q.commitTS}` : '') : null,
      row(q.keys.length > 1 ? `${q.keys.length} keys` : 'Key', ...q.keys.map((key) => el('code', {}, key))),
      q.by ? row('Decided by', el('code', {}, q.by)) : null,
      q.met.length && !q.by ? row('Met by', ...q.met.map((f) => el('code', {}, f))) : null),
  ];
  if (q.changes.length) parts.push(el('h3', {}, q.changes.length === 1 ? 'It changed' : `It changed ${q.changes.length}`), changeTable(q.changes));
  const others = transaction(run, q);
  if (others.length) {
    parts.push(el('h3', {}, 'The same transaction'), el('ul', { class: 'links' }, ...others.slice(0, 12).map((other) => el('li', {},
      button(`${other.op} at ${clock(other.at.t)}: ${other.fate === 'handled' ? other.status : other.fate}`, 'Go there', () => go(other))))));
  }
  return parts;
}

function outcome(run, q) {
  const notes = [];
  if (fates[q.fate]) notes.push(fates[q.fate]);
  if (q.late) notes.push('When the store handled it, nobody waited for it any more.');
  if (q.copy) notes.push('A fault delivered this request a second time.');
  if (q.status && q.fate !== 'lost') notes.push(`Answer: ${q.status}.`);
  const violated = run.violation?.refs.find((r) => r.event === q.handled?.e);
  if (violated) notes.unshift(`${violated === run.violation.second ? 'The violation' : run.violation.second ? 'The first event of the violation' : 'The last change of what stands still'}: ${violated.what}.`);
  return el('p', { class: violated ? 'outcome violated' : 'outcome' }, notes.join(' '));
}

function changeTable(changes) {
  const sorted = [...changes].sort((a, b) => (a.before === a.after) - (b.before === b.after));
  return el('div', { class: 'changes' }, ...sorted.map((c) => el('div', { class: 'change' },
    el('code', { class: 'key' }, c.key),
    el('div', { class: 'before' }, el('span', { class: 'sign', 'aria-label': 'before' }, '−'), ...compare(c.before, c.after)),
    el('div', { class: 'after' }, el('span', { class: 'sign', 'aria-label': 'after' }, '+'), ...compare(c.after, c.before)))));
}

/** The words of a row; those that the other one has not are marked. */
function compare(words, other) {
  if (words === null) return [el('span', { class: 'muted' }, 'not there')];
  const there = new Set((other ?? '').split(' '));
  return words.split(' ').flatMap((word) => [there.has(word) || other === null ? word : el('mark', {}, word), ' ']);
}

/** A violation that is no single event: a standstill. */
function violationPanel(run, item, go) {
  const { text, first } = run.violation;
  const request = first && run.requests.find((q) => q.handled?.e === first.event);
  return [
    el('h2', {}, run.violation.invariant),
    el('p', { class: 'outcome violated' }, text),
    el('dl', {}, row('When', ...point(item.at)), first ? row('Last change', `${first.what}, at ${clock(first.at)}`) : null),
    request ? el('ul', { class: 'links' }, el('li', {}, button('Go to the last change', 'Go there', () => go(request)))) : null,
    el('p', { class: 'muted' }, 'The report says what everybody waits for.'),
  ];
}

function faultPanel(run, f, go) {
  const met = f.request >= 0 ? run.requests[f.request] : null;
  return [
    el('h2', {}, el('span', { class: 'look fault' }), f.name),
    el('p', { class: 'outcome' }, f.fired ? 'This fault changed the outcome or the order of a call.' : 'This fault struck, but changed nothing.'),
    el('dl', {},
      row('Struck', ...point(f.at)),
      row('Changed something', ...point(f.fired)),
      f.untilT > f.at.t ? row('Lasts until', `${clock(f.untilT)}, at most`) : null,
      row('In a plan', el('code', {}, f.fault))),
    met ? el('ul', { class: 'links' }, el('li', {}, button(`met ${met.op} of ${met.task.name}`, 'Go there', () => go(met)))) : null,
  ];
}

function holdingPanel(run, held) {
  return [
    el('h2', {}, held.what),
    el('p', { class: 'who' }, `${run.processes[held.process]}/${held.inc}`),
    el('dl', {},
      row('Of', held.of),
      row('Row', el('code', {}, held.key)),
      row('From', ...point(held.at)),
      row('Until', ...(held.gone ? point(held.gone) : ['the end of the run'])),
      row('Written again', `${held.renewed.length} times`),
      held.lasts ? row('Protects for', `${duration(held.lasts)} after each write`) : null,
      ...held.lapses.map(([a, b]) => row('Lapsed', `${clock(a)} to ${clock(b)}`))),
  ];
}

export function reportPanel(doc) {
  const lines = doc.report.split('\n');
  const commands = lines.map((line) => /^\s*(replay|minimal|keep):\s+(.*)$/.exec(line)).filter(Boolean);
  return [
    el('pre', { class: 'report', tabindex: '0' }, doc.report),
    ...commands.map(([, name, command]) => el('p', {}, button(`Copy the ${name} command`, command, (event) => {
      navigator.clipboard?.writeText(command);
      event.target.textContent = 'Copied';
    }))),
  ];
}

export function differencePanel(runs, first, current, go, flip) {
  if (runs.length < 2) return [el('p', { class: 'muted' }, 'No passing run was found beside this one.')];
  const [failing, passing] = runs;
  const shown = runs[current];
  const all = shown.requests.filter((q) => q.only);
  const telling = all.filter((q) => q.level > 0);
  const mine = telling.length ? telling : all;
  return [
    el('h2', {}, `The nearest passing run: ${passing.label}`),
    el('p', {}, first ? `Both runs are the same up to event ${first}. After that, ${count(failing)} are in the failing run only, ${count(passing)} in the passing one only; they have a ring.` : 'No difference was found.'),
    el('p', {}, button(current === 0 ? 'Show the passing run' : 'Show the failing run', 'The other run (x)', flip), ' ',
      button('Go to where they part', 'The first difference', () => go(null, first))),
    el('h3', {}, `Only in the ${current === 0 ? 'failing' : 'passing'} run`),
    el('ol', { class: 'links' }, ...mine.slice(0, 200).map((q) => el('li', {}, button(`${clock(q.at.t)}  ${shown.processes[q.process]}/${q.task.name} ${q.step ?? ''} ${q.op}: ${q.fate === 'handled' ? q.status : q.fate}`, q.keys.join(' '), () => go(q))))),
    mine.length === 0 ? el('p', { class: 'muted' }, 'None: it made the same requests, in another order.') : null,
    mine.length > 200 ? el('p', { class: 'muted' }, `and ${mine.length - 200} more`) : null,
    all.length > mine.length ? el('p', { class: 'muted' }, `${all.length - mine.length} that only ask are left out.`) : null,
  ];
}

function count(run) {
  const n = run.requests.filter((q) => q.only).length;
  return `${n} request${n === 1 ? '' : 's'}`;
}

const keys = [
  ['← →', 'the event before, the next one'], ['↑ ↓', 'the same within one task'], ['v', 'the violation'], ['f', 'the next fault'],
  ['+ − 0', 'closer, farther, everything'], ['a d', 'move left and right'], ['1 2 3', 'story, changes, everything'],
  ['t', 'by events or by time'], ['/', 'search; then n and N'], ['x', 'the other run'], ['?', 'this help'], ['Esc', 'nothing selected'],
];

const legend = [
  ['effect', 'a request that changes something, and its reply'], ['plain', 'a request that only asks'], ['change', 'rows or objects changed'],
  ['failed', 'the store said no: a conflict, a lock'], ['refused', 'refused: turned back before the store'], ['lost', 'lost on its way'],
  ['reply-lost', 'handled, but the reply was lost'], ['late', 'handled when nobody waited any more'], ['unheard', 'the reply found nobody'],
  ['fault', 'a fault'], ['frozen', 'frozen: the process does nothing'], ['lease', 'a lease or claim; hatched once it has lapsed'],
];

export function helpPanel() {
  return [
    el('h2', {}, 'Reading the lanes'),
    el('p', {}, 'Time goes from left to right. P(fail) is the share of failing futures, drawn anew after an event. Every task of a process has a lane; an arrow down is a request to a store, an arrow up its reply. By events, each moment takes one step, however long the wait before it.'),
    el('ul', { class: 'legend' }, ...legend.map(([look, text]) => el('li', {}, el('span', { class: `look ${look}` }), text))),
    el('h2', {}, 'Keys'),
    el('dl', { class: 'keys' }, ...keys.map(([key, text]) => el('div', { class: 'row' }, el('dt', {}, ...key.split(' ').map((k) => el('kbd', {}, k))), el('dd', {}, text)))),
  ];
}
