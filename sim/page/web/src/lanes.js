// The rows from top to bottom: for each process its life, what it holds and its
// tasks; the stores stay at the bottom, whatever part of the processes is in view.

export const RULER = 26;
const HEADER = 24, BAR = 17, GAP = 8, TASK = [24, 54], STORE = 54, IDLE = 24, WORLD = 24, CHANCE = 30;

export function layout(run, axis, items, choice, height) {
  const tasks = new Set();
  let world = false;
  for (const item of items) {
    if (item.task?.id !== undefined) tasks.add(item.task.id);
    world ||= item.process < 0 && item.kind !== 'change';
  }
  const lanes = { rows: [], processes: [], ofTask: new Map(), stores: [], bars: [], world: null, chance: null };
  const busy = new Set(items.map((item) => (item.kind === 'change' ? 1 : item.store)));
  const heights = run.stores.map((_, s) => (busy.has(s) ? STORE : IDLE));
  const storesHeight = heights.reduce((sum, h) => sum + h, 6);
  const shown = run.processes.map((name, p) => ({ name, p })).filter(({ p }) => choice.processes.has(p));
  const packed = shown.map(({ p }) => pack(axis, run, run.holdings.filter((h) => h.process === p && (!choice.key || h.key.includes(choice.key)))));
  const fixed = (run.violation ? 22 : 4) + (run.chances.length ? CHANCE : 0) + (world ? WORLD : 0) + shown.reduce((sum, _, i) => sum + HEADER + GAP + packed[i].count * BAR, 0);
  const count = run.tasks.filter((t) => tasks.has(t.id)).length;
  const task = Math.max(TASK[0], Math.min(TASK[1], Math.floor((height - RULER - storesHeight - fixed - 8) / Math.max(count, 1))));

  let y = run.violation ? 22 : 4; // room for the flags
  if (run.chances.length > 0) {
    lanes.chance = { y, h: CHANCE };
    y += CHANCE;
  }
  if (world) {
    lanes.world = { y, h: WORLD };
    y += WORLD;
  }
  shown.forEach(({ name, p }, i) => {
    const process = { p, name, y, h: HEADER };
    y += HEADER;
    for (const { held, row, from, until } of packed[i].bars) lanes.bars.push({ held, from, until, y: y + row * BAR, h: BAR - 3 });
    y += packed[i].count * BAR;
    for (const t of run.tasks) {
      if (t.process !== p || !tasks.has(t.id)) continue;
      const row = { task: t, y, h: task, mid: y + task * 0.6 };
      lanes.rows.push(row);
      lanes.ofTask.set(t.id, row);
      y += task;
    }
    process.bottom = y;
    lanes.processes.push(process);
    y += GAP;
  });
  lanes.ofProcess = new Map(lanes.processes.map((process) => [process.p, process]));
  lanes.total = y;
  let top = 0;
  run.stores.forEach((name, s) => {
    lanes.stores.push({ name, s, mid: top + 14 });
    top += heights[s];
  });
  lanes.storesHeight = storesHeight;
  return lanes;
}

/** Puts bars that overlap in rows of their own. */
function pack(axis, run, holdings) {
  const free = [];
  const bars = holdings.map((held) => {
    const from = axis.of(held.at);
    const until = axis.of(held.gone ?? run.end);
    let row = free.findIndex((end) => end <= from);
    if (row < 0) row = free.length;
    free[row] = until;
    return { held, row, from, until };
  });
  return { bars, count: free.length };
}

export const storeNames = { kv: 'TiKV', pd: 'PD (timestamps)', objects: 'objects' };
