// The run as objects, decoded from the columns that data.go wrote.

const decode = (table, count, row) => Array.from({ length: count }, (_, i) => row(i));
const rows = (table) => Object.values(table)[0]?.length ?? 0;

/** How much an item matters: the three levels of detail. */
export const PLAIN = 0, EFFECT = 1, STORY = 2;

export function loadRun(data, index) {
  const word = (i) => (i < 0 ? null : data.words[i]);
  const run = {
    index, label: data.label, line: data.line, violation: data.violation, needed: data.needed,
    chances: data.chances.map(([e, t, fails, tried]) => ({ at: { e, t }, fails, tried })),
    virtual: data.virtual, events: data.events, processes: data.processes, stores: data.stores,
    tasks: data.tasks.map(([process, name], id) => ({ id, process, name: word(name) })),
  };
  if (run.violation) run.violation.refs = [run.violation.first, run.violation.second].filter(Boolean);
  const keys = data.keys.map((list) => list.map(word));
  const only = new Set(data.only);
  run.requests = requests(data.requests, { word, keys, only, met: data.met, tasks: run.tasks });
  run.changes = changes(data.changes, word, run.requests);
  run.work = decode(data.work, rows(data.work), (i) => ({ task: data.work.task[i], step: word(data.work.step[i]), from: at(data.work, 'from', i), until: at(data.work, 'until', i) }));
  run.holdings = holdings(data, word);
  run.items = [
    ...run.requests,
    ...lives(data.lives, word),
    ...strikes(data.strikes, word),
    ...said(data.said, word, run.tasks, run.violation),
    ...run.changes.filter((c) => c.request < 0),
  ];
  const v = run.violation;
  if (v && !run.items.some((item) => item.handled?.e === v.at.event || item.kind === 'client' && item.at.e === v.at.event)) {
    run.items.push({ kind: 'violation', order: 5, level: STORY, process: -1, at: { e: v.at.event, t: v.at.at } });
  }
  run.items.sort((a, b) => a.at.e - b.at.e || a.order - b.order);
  run.items.forEach((item, i) => { item.id = i; });
  run.end = { e: Math.max(data.events, 1), t: data.virtual };
  return run;
}

/** A point of the run: event and virtual time; null for never. */
function at(table, name, i) {
  const e = table[name + 'E'][i];
  const t = table[name + 'T'][i];
  return e === 0 && t === 0 ? null : { e, t };
}

const bad = new Set(['refused', 'lost', 'reply lost', 'reply dropped', 'expired in flight']);

function requests(table, { word, keys, only, met, tasks }) {
  return decode(table, rows(table), (i) => {
    const flags = table.flags[i];
    const task = tasks[table.task[i]];
    const fate = word(table.fate[i]);
    const handled = at(table, 'handled', i);
    const q = {
      kind: 'request', order: 2, number: i, task, process: task.process, inc: word(table.inc[i]), step: word(table.step[i]), op: word(table.op[i]),
      store: table.store[i], keys: keys[table.keys[i]], startTS: table.startTS[i], commitTS: table.commitTS[i],
      at: at(table, 'sent', i), handled, replied: at(table, 'replied', i), returned: at(table, 'returned', i),
      fate, status: word(table.status[i]), end: word(table.end[i]), by: word(table.by[i]), met: (met[i] ?? []).map(word),
      late: (flags & 1) !== 0, copy: (flags & 2) !== 0, effect: (flags & 4) !== 0, level: table.level[i], only: only.has(i + 1), changes: [],
    };
    q.until = q.replied ?? q.returned ?? handled ?? q.at;
    q.look = look(q, fate);
    return q;
  });
}

/** How a request is drawn: what went wrong with it, in one word. */
function look(q, fate) {
  if (fate === 'lost' || fate === 'expired in flight') return 'lost';
  if (fate === 'refused') return 'refused';
  if (q.late) return 'late';
  if (fate === 'reply lost') return 'reply-lost';
  if (fate === 'reply dropped') return 'unheard';
  if (q.status !== 'ok' && q.status !== '' && q.status !== 'none' && q.effect) return 'failed';
  return q.effect ? 'effect' : 'plain';
}

export const troubled = (q) => bad.has(q.fate) || q.late;

function changes(table, word, all) {
  return decode(table, rows(table), (i) => {
    const change = {
      kind: 'change', order: 3, level: EFFECT, process: -1, request: table.request[i], key: word(table.key[i]), before: word(table.before[i]), after: word(table.after[i]),
      commitTS: table.commitTS[i], startTS: table.startTS[i], at: at(table, 'at', i) ?? { e: 0, t: 0 },
    };
    if (change.request >= 0) all[change.request].changes.push(change);
    return change;
  });
}

function lives(table, word) {
  return decode(table, rows(table), (i) => {
    const happened = word(table.happened[i]);
    const detail = word(table.detail[i]);
    const first = happened === 'boot' && detail === '1';
    return { kind: 'life', order: 0, level: first ? EFFECT : STORY, process: table.process[i], inc: word(table.inc[i]), happened, detail, at: at(table, 'at', i) ?? { e: 0, t: 0 } };
  });
}

function strikes(table, word) {
  return decode(table, rows(table), (i) => {
    const fired = at(table, 'fired', i);
    return {
      kind: 'fault', order: 1, level: fired ? STORY : EFFECT, process: table.process[i], task: table.task[i], name: word(table.name[i]), fault: word(table.fault[i]),
      request: table.request[i], fired, at: at(table, 'from', i) ?? { e: 0, t: 0 }, untilT: table.untilT[i],
    };
  });
}

/** Logs, and what clients recorded; a record that is an event of the violation is part of its story. */
function said(table, word, tasks, violation) {
  const its = new Set((violation?.refs ?? []).map((ref) => ref.event));
  return decode(table, rows(table), (i) => {
    const kind = word(table.kind[i]);
    const task = tasks[table.task[i]];
    const level = kind === 'log' ? PLAIN : its.has(table.atE[i]) ? STORY : EFFECT;
    return { kind, order: 4, level, task, process: task.process, step: word(table.step[i]), text: word(table.text[i]), result: word(table.result[i]), at: at(table, 'at', i) ?? { e: 0, t: 0 } };
  });
}

function holdings(data, word) {
  const table = data.holdings;
  return decode(table, rows(table), (i) => {
    const held = {
      kind: 'holding', process: table.process[i], inc: word(table.inc[i]), what: word(table.kind[i]), of: word(table.of[i]), key: word(table.key[i]),
      lasts: table.for[i], at: at(table, 'from', i) ?? { e: 0, t: 0 }, gone: at(table, 'until', i), renewed: data.renewed[i],
    };
    held.lapses = lapses(held, data.virtual);
    return held;
  });
}

/** The times in which a holding no longer protected its holder: [from, until]. */
function lapses(held, end) {
  const found = [];
  if (held.lasts === 0) return found;
  const until = held.gone?.t ?? end;
  let written = held.at.t;
  for (const next of [...held.renewed, until]) {
    if (next - written > held.lasts) found.push([written + held.lasts, next]);
    written = next;
  }
  return found;
}

/** What of an item a search looks through, in lower case. */
export function searchText(run, item) {
  item.text_ ??= [
    run.processes[item.process], item.task?.name, item.step, item.op, item.fate, item.status, item.by, item.late ? 'late nobody waits' : '', item.copy ? 'repeated' : '',
    item.happened, item.detail, item.name, item.fault, item.text, item.result, item.key, item.before, item.after,
    ...(item.keys ?? []), ...(item.kind === 'request' ? item.changes.flatMap((c) => [c.key, c.after]) : []),
  ].filter(Boolean).join('\n').toLowerCase();
  return item.text_;
}

/** Virtual time in seconds, as reports print it. */
export const clock = (t) => `${(t / 1e9).toFixed(3)} s`;

/** How long something lasts. */
export function duration(t) {
  if (t < 1e3) return `${t} ns`;
  if (t < 1e6) return `${Math.round(t / 1e3)} µs`;
  if (t < 1e9) return `${trim(t / 1e6)} ms`;
  if (t < 120e9) return `${trim(t / 1e9)} s`;
  if (t < 7200e9) return `${trim(t / 60e9)} min`;
  return `${trim(t / 3600e9)} h`;
}

const trim = (x) => String(x < 10 ? Math.round(x * 100) / 100 : Math.round(x * 10) / 10);
