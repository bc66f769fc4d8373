import { RULER } from './lanes.js';

// What lies under a point of the canvas.

const NEAR = 9;

export function hit(painter, x, y) {
  const { view } = painter;
  if (!view || x < view.left || y < RULER) return null;
  let best = null;
  let least = NEAR;
  const see = (item, distance) => {
    if (distance < least) [best, least] = [item, distance];
  };
  for (const item of painter.inView) {
    if (item.kind !== 'request') {
      const row = painter.rowOf(item);
      if (row) see(item, Math.hypot(painter.px(item.p) - x, row.y - y) - 3); // before what lies under it
      continue;
    }
    const top = painter.taskY(item.task);
    if (top === null) continue;
    const store = painter.storeY(item.store);
    const sent = painter.px(item.p);
    see(item, Math.hypot(sent - x, top - y) - 1);
    if (!item.handled) continue;
    const handled = painter.px(item.ph);
    see(item, Math.hypot(handled - x, store - y) - 1);
    if (painter.crowded) continue;
    see(item, alongside(x, y, sent, top, handled, store) + 3);
    if (item.replied) see(item, alongside(x, y, handled, store, painter.px(item.pr), top) + 3);
  }
  return best ?? barAt(painter, x, y);
}

/** The distance of a point from a line between two points. */
function alongside(x, y, x1, y1, x2, y2) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const at = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length));
  return Math.hypot(x1 + at * (x2 - x1) - x, y1 + at * (y2 - y1) - y);
}

function barAt(painter, x, y) {
  if (y > painter.storesTop) return null;
  for (const { held, from, until, y: top, h } of painter.view.lanes.bars) {
    if (x >= painter.px(from) - 1 && x <= Math.max(painter.px(until), painter.px(from) + 3) && y >= painter.y(top) && y <= painter.y(top) + h) return held;
  }
  return null;
}
