import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { facts, open, place, settled, start, state, stop } from './open.mjs';

before(start);
after(stop);

const domain = (page) => state(page, '(p) => p.scale.domain()');
const selected = (page) => state(page, '(p) => p.selected && { kind: p.selected.kind, e: p.selected.at.e, handled: p.selected.handled?.e, op: p.selected.op, id: p.selected.id }');
const violation = '(p) => p.run.violation.at.event';

test('it opens at the violation, and says in a sentence what broke', async () => {
  const page = await open('failing.html');
  assert.match(await page.locator('.sentence').textContent(), /the count went from/);
  assert.equal(await page.locator('.badge').textContent(), 'FAIL');
  assert.equal((await selected(page)).handled, await state(page, violation));
  assert.ok(await state(page, '(p) => p.inView(p.selected)'));
  assert.match(await page.locator('#body').textContent(), /The violation: w\d counted/);
  assert.equal(await page.locator('button[aria-pressed="true"]').first().textContent(), 'Story');
  assert.deepEqual(page.complaints, []);
});

test('what is named like markup stays text', async () => {
  const page = await open('failing.html');
  assert.equal(await page.locator('img').count(), 0);
  assert.notEqual(await page.title(), 'harmed');
  await page.click('#tab-report');
  assert.ok((await page.locator('#body').textContent()).includes('<img'), 'the evil name is not shown at all');
  await page.keyboard.press('Escape');
  for (const key of ['3', 'ArrowRight', 'ArrowRight', 'ArrowLeft']) await page.keyboard.press(key);
  await page.click('#tab-difference');
  await page.click('.menu summary');
  assert.ok(await state(page, `(p) => p.run.requests.some((q) => q.keys.some((k) => k.includes(${JSON.stringify(facts.evil)})))`));
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.locator('script').count(), 2);
  assert.deepEqual(page.complaints, []);
});

test('a click on a request shows it, with what it changed', async () => {
  const page = await open('failing.html');
  const at = await state(page, '(p) => { const q = p.painter.inView.find((i) => i.kind === "request" && i.changes.length && i !== p.selected && p.painter.taskY(i.task)); return { id: q.id, x: p.painter.px(q.ph), y: p.painter.storeY(q.store), key: q.changes[0].key }; }');
  await page.mouse.click(...await place(page, at.x, at.y));
  await settled(page);
  assert.equal((await selected(page)).id, at.id);
  assert.ok((await page.locator('.changes').textContent()).includes(at.key));
  assert.ok(await page.locator('.change .before').count() > 0 && await page.locator('.change .after').count() > 0);
  assert.deepEqual(page.complaints, []);
});

test('a click on a lease shows who holds it', async () => {
  const page = await open('failing.html');
  const at = await state(page, '(p) => { const b = p.lanes.bars.find((b) => p.painter.px(b.until) - p.painter.px(b.from) > 8); return { x: (p.painter.px(b.from) + p.painter.px(b.until)) / 2, y: p.painter.y(b.y) + b.h / 2, of: b.held.of }; }');
  await page.mouse.click(...await place(page, at.x, at.y));
  assert.equal((await selected(page)).kind, 'holding');
  assert.ok((await page.locator('#body').textContent()).includes(at.of));
});

test('the keyboard steps through events, to faults and back to the violation', async () => {
  const page = await open('failing.html');
  const begun = await selected(page);
  await page.keyboard.press('ArrowLeft');
  const earlier = await selected(page);
  assert.ok(earlier.e <= begun.e && earlier.id !== begun.id);
  assert.ok((await page.locator('#live').textContent()).length > 3, 'nothing is announced');
  await page.keyboard.press('ArrowRight');
  assert.equal((await selected(page)).id, begun.id);
  await page.keyboard.press('f');
  assert.equal((await selected(page)).kind, 'fault');
  assert.ok(await state(page, '(p) => p.inView(p.selected)'));
  await page.keyboard.press('v');
  assert.equal((await selected(page)).id, begun.id);
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  assert.equal(await selected(page), null);
  await page.keyboard.press('?');
  assert.match(await page.locator('#body').textContent(), /Reading the lanes/);
  assert.deepEqual(page.complaints, []);
});

test('levels show more and less', async () => {
  const page = await open('failing.html');
  const counts = [];
  for (const key of ['1', '2', '3']) {
    await page.keyboard.press(key);
    await settled(page);
    counts.push(await state(page, '(p) => p.items.length'));
  }
  assert.ok(counts[0] > 0 && counts[0] < counts[1] && counts[1] < counts[2], String(counts));
  await page.click('text=Story');
  assert.equal(await state(page, '(p) => p.items.length'), counts[0]);
});

test('wheel, buttons and keys zoom; dragging moves', async () => {
  const page = await open('failing.html');
  await page.keyboard.press('3');
  await page.click('#fit');
  await settled(page);
  const width = async () => { const [a, b] = await domain(page); return b - a; };
  const whole = await width();
  await page.mouse.move(...await place(page, 600, 200));
  await page.mouse.wheel(0, -600);
  await settled(page);
  const wheeled = await width();
  assert.ok(wheeled < whole * 0.8, `${wheeled} of ${whole}`);
  await page.click('#in');
  assert.ok(await width() < wheeled);
  await page.keyboard.press('-');
  const before = await domain(page);
  const [x, y] = await place(page, 700, 150);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 150, y, { steps: 5 });
  await page.mouse.up();
  await settled(page);
  assert.ok((await domain(page))[0] > before[0], 'dragging did not move the view');
  await page.keyboard.press('0');
  assert.ok(Math.abs(await width() - whole) < 1e-6 * whole);
});

test('the axis shows virtual time, too', async () => {
  const page = await open('failing.html');
  await page.keyboard.press('t');
  await settled(page);
  assert.equal(await state(page, '(p) => p.axis.byTime'), true);
  assert.ok(await state(page, '(p) => p.inView(p.selected)'), 'the selected event left the view');
  await page.click('text=By events');
  assert.equal(await state(page, '(p) => p.axis.byTime'), false);
});

test('filters by process, step and key', async () => {
  const page = await open('failing.html');
  await page.keyboard.press('3');
  const lanes = await state(page, '(p) => p.lanes.rows.length');
  await page.click('.menu summary');
  await page.click('.pop input[value="0"]');
  assert.ok(await state(page, '(p) => p.items.every((i) => i.process !== 0)'));
  assert.ok(await state(page, '(p) => p.lanes.rows.length') < lanes);
  await page.click('.pop input[value="0"]');
  await page.selectOption('select', 'take');
  assert.ok(await state(page, '(p) => p.items.filter((i) => i.kind === "request").every((i) => i.step === "take")'));
  await page.selectOption('select', '');
  await page.fill('input[aria-label="Key contains"]', 'count');
  assert.ok(await state(page, '(p) => p.items.filter((i) => i.kind === "request").every((i) => i.keys.some((k) => k.includes("count")))'));
  await page.fill('input[aria-label="Key contains"]', 'no such key at all');
  for (const box of await page.locator('.pop input').all()) await box.uncheck();
  await settled(page);
  assert.deepEqual(page.complaints, []);
});

test('search finds, counts and goes on', async () => {
  const page = await open('failing.html');
  await page.keyboard.press('3');
  await page.keyboard.press('/');
  await page.keyboard.type('kv.commit');
  const found = await state(page, '(p) => p.found.length');
  assert.ok(found > 2);
  assert.equal(await page.locator('#count').textContent(), `1 / ${found}`);
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#count').textContent(), `2 / ${found}`);
  await page.keyboard.press('Escape');
  await page.keyboard.press('n');
  assert.equal(await page.locator('#count').textContent(), `3 / ${found}`);
  assert.equal((await selected(page)).op, 'kv.commit');
  await page.keyboard.press('N');
  assert.equal(await page.locator('#count').textContent(), `2 / ${found}`);
});

test('the passing run beside it: where they part, and what only one has', async () => {
  const page = await open('failing.html');
  await page.click('#tab-difference');
  const text = await page.locator('#body').textContent();
  assert.match(text, /without the fault [a-z-]+ at w[0-9]/);
  const first = await state(page, '(p) => p.doc.first');
  assert.ok(first > 0 && text.includes(`event ${first}`));
  await page.click('text=Go to where they part');
  await page.keyboard.press('x');
  assert.equal(await state(page, '(p) => p.run.violation'), null);
  await page.click('#body ol button >> nth=0');
  assert.equal(await state(page, '(p) => p.selected.only'), true);
  await page.click('text=Failing run');
  assert.equal(await state(page, '(p) => p.current'), 0);
  assert.deepEqual(page.complaints, []);
});

test('light and dark: as the system says, and by the switch', async () => {
  const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await open('failing.html', { theme: 'dark' });
  const light = await open('failing.html');
  const [a, b] = [await background(dark), await background(light)];
  assert.notEqual(a, b);
  await light.click('#theme');
  assert.equal(await background(light), a);
  const pixel = (page) => page.evaluate(() => { const c = document.getElementById('lanes'); return [...c.getContext('2d').getImageData(c.width - 3, c.height - 3, 1, 1).data].slice(0, 3).reduce((x, y) => x + y); });
  await settled(light);
  assert.ok(await pixel(light) < 200, 'the lanes stayed light');
});

/** The contrast of two colours, as WCAG 2 defines it. */
function contrast(a, b) {
  const luminance = (hex) => {
    const [r, g, bl] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl;
  };
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}

test('texts have the contrast that WCAG AA asks for, and shapes theirs', async () => {
  let pairs = 0;
  for (const theme of ['light', 'dark']) {
    const page = await open('failing.html', { theme });
    const colors = await page.evaluate(() => Object.fromEntries(['bg', 'lane', 'text', 'muted', 'accent', 'effect', 'plain', 'good', 'warn', 'bad', 'late', 'violation', 'lease', 'claim', 'other', 'band', 'press', 'mark'].map((n) => [n, getComputedStyle(document.documentElement).getPropertyValue(`--${n}`).trim()])));
    for (const back of ['bg', 'lane', 'band']) {
      for (const name of ['text', 'muted', 'accent', 'effect', 'warn', 'bad', 'late', 'violation']) {
        assert.ok(contrast(colors[name], colors[back]) >= 4.5, `${theme}: ${name} on ${back}: ${contrast(colors[name], colors[back]).toFixed(2)}`);
        pairs++;
      }
      for (const name of ['plain', 'good', 'lease', 'claim', 'other']) assert.ok(contrast(colors[name], colors[back]) >= 3, `${theme}: ${name} on ${back}`);
    }
    for (const back of ['press', 'mark']) assert.ok(contrast(colors.text, colors[back]) >= 4.5, `${theme}: text on ${back}`);
    assert.ok(contrast(colors.bg, colors.violation) >= 4.5 && contrast(colors.bg, colors.good) >= 4.5, `${theme}: the verdict`);
  }
  assert.equal(pairs, 48);
});

test('a narrow window keeps everything within reach', async () => {
  const page = await open('failing.html', { width: 420, height: 800 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the window');
  await page.locator('#search').scrollIntoViewIfNeeded();
  assert.ok(await page.locator('#search').isVisible());
  await page.click('#tab-report');
  assert.match(await page.locator('.report').textContent(), /FAIL alone/);
  assert.ok(await state(page, '(p) => p.height') > 150);
  assert.deepEqual(page.complaints, []);
});

test('a run that held has no violation, and says so', async () => {
  const page = await open('held.html');
  assert.equal(await page.locator('.badge').textContent(), 'HELD');
  assert.equal(await page.locator('button:text-is("Story")').count(), 0);
  for (const key of ['1', 'v', 'x', 'f', 'ArrowRight', 'ArrowRight', 't', '0']) await page.keyboard.press(key);
  await settled(page);
  assert.ok(await selected(page));
  assert.deepEqual(page.complaints, []);
});

test('fifty thousand events: what is drawn stays bounded', async () => {
  const begun = performance.now();
  const page = await open('large.html');
  const loaded = performance.now() - begun;
  await page.keyboard.press('3');
  await page.keyboard.press('0');
  await settled(page);
  assert.ok(await state(page, '(p) => p.items.length') > 20_000);
  assert.ok(await page.locator('#note').isVisible(), 'nobody says that arrows are left out');
  const frames = await page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const times = [];
    for (let i = 0; i < 80; i++) {
      if (i < 50) globalThis.page.zoomBy(1.09);
      else globalThis.page.pan(0.05);
      const begun = performance.now();
      await frame();
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[40];
  });
  assert.ok(await state(page, '(p) => p.painter.inView.length') < 5000);
  await page.keyboard.press('/');
  await page.keyboard.type('count');
  assert.ok(await state(page, '(p) => p.found.length') > 1000);
  assert.deepEqual(page.complaints, []);
  console.log(`page: ${facts.events} events: loaded in ${(loaded / 1000).toFixed(1)} s, ${Math.round(1000 / frames)} frames a second at the median while zooming and moving`);
});
