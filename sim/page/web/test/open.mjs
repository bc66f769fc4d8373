import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

// What the tests share: one browser, and pages that must not load or complain of anything.

const folder = process.env.PAGES;
export const facts = JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8'));

let browser;
export async function start() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
}
export const stop = () => browser.close();

/** Opens a page. Its complaints and what it loads are collected. */
export async function open(name, { width = 1440, height = 900, theme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  const url = `file://${join(folder, name)}`;
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') page.complaints.push(message.text()); });
  page.on('request', (request) => { if (request.url() !== url) page.complaints.push(`loads ${request.url()}`); });
  page.on('dialog', (dialog) => { page.complaints.push('opens a dialog'); dialog.dismiss(); });
  await page.goto(url);
  await page.waitForSelector('html[data-ready="yes"]');
  await settled(page);
  return page;
}

/** Waits until what was asked for is drawn. */
export const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** Something of the page's state, as JSON. */
export const state = (page, read) => page.evaluate(`(() => { const p = globalThis.page; return (${read})(p); })()`);

/** Where on the screen a place of the canvas is. */
export async function place(page, x, y) {
  const box = await page.locator('#lanes').boundingBox();
  return [box.x + x, box.y + y];
}
