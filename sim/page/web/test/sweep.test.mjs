import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, start, stop } from './open.mjs';

before(start);
after(stop);

test('failures are grouped, and open to their report', async () => {
  const page = await open('sweep.html');
  assert.match(await page.locator('h1').textContent(), /universes of 400 failed, in \d+ way/);
  const first = page.locator('.failure').first();
  assert.ok(!await first.locator('.report').isVisible());
  await first.locator('summary').click();
  assert.match(await first.locator('.report').textContent(), /^FAIL alone \(R1\)/);
  assert.match(await first.textContent(), /0x[0-9a-f]{16}/);
  assert.equal(await page.locator('img').count(), 0);
  assert.deepEqual(page.complaints, []);
});

test('discovery curves, faults drawn and fired, and what was never reached', async () => {
  const page = await open('sweep.html');
  assert.equal(await page.locator('figure svg path.curve').count(), 2);
  await page.locator('figure svg').first().hover();
  assert.match(await page.locator('figure .read text').first().textContent(), /\d+ after \d+/);
  assert.ok(await page.locator('#kinds tbody tr').count() > 10);
  assert.match(await page.locator('#marks .warning').textContent(), /Never reached: never_reached/);
  assert.ok(await page.locator('#outcomes tbody tr').count() > 0);
});

test('a narrow window and the dark', async () => {
  const page = await open('sweep.html', { width: 400, height: 800, theme: 'dark' });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the window');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.click('#theme');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  assert.deepEqual(page.complaints, []);
});
