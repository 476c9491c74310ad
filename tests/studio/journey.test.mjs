// The whole journey of a user, with a small model, and what must hold all the while.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { by, findings, open, prepare, settle, studioUrl } from './browser.mjs';

/** An adapter's file, told that the model alone writes best. */
function useless(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  const told = header.__metadata__;
  Object.assign(told, { method: 'base', beams: '1' });
  delete told.copying;
  const text = JSON.stringify(header);
  const padded = Buffer.from(text + ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([size, padded, bytes.subarray(8 + length)]);
}

test('from opening the page to deleting everything', async () => {
  // axe is put into the page by the test, which the page's policy would refuse; one check below needs it.
  const { context, page, errors, close } = await open();
  try {
    const origin = new URL(studioUrl).origin;
    const requests = [];
    context.on('request', (request) => requests.push([request.method(), request.url()]));
    await prepare(page);
    await settle(page, { 'Pairs at most': 24, 'Steps at most': 100 });
    await page.evaluate(() => {
      globalThis.longest = 0;
      new PerformanceObserver((list) => {
        for (const task of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, task.duration);
      }).observe({ type: 'longtask' });
    });
    await by(page, 'train-start').click();
    await by(page, 'train-done').waitFor();
    // Clicks wait for such tasks. The limit leaves room for a machine that does other things as well.
    const longest = await page.evaluate(() => globalThis.longest);
    console.log(`the page's longest task while it trained: ${longest} ms (50 ms and less are not counted)`);
    assert.ok(longest < 200, `${longest} ms`);
    assert.match(await by(page, 'train-done').innerText(), /Trained on \d+ rows/);
    assert.ok(await page.locator('svg path.curve-0').count() >= 2, 'both charts have a curve');
    const verdict = await by(page, 'check-verdict').innerText();
    assert.match(verdict, /^(Your adapter (helps|seems to help|does not help)|No clear difference)/, 'the check is done and said');
    assert.match(await by(page, 'train-done').innerText(), /chrF points against the model alone in its answers to \d+ pairs/);
    // What the check chose is what the next step begins with.
    const [, weight = '0.00'] = /writes with weight (\d\.\d\d)/.exec(verdict) ?? [];
    await page.getByLabel(`Weight of the adapter: ${weight}`, { exact: true }).waitFor();
    assert.equal(await by(page, 'write-alone').isVisible(), /does not help/.test(verdict));
    await by(page, 'lambda').fill('0.4');
    await page.getByLabel('Weight of the adapter: 0.40', { exact: true }).waitFor();
    assert.ok(await by(page, 'write-alone').isHidden(), 'somebody who moves the weight wants the adapter');
    await by(page, 'mix-chosen').click();
    await page.getByLabel(`Weight of the adapter: ${weight}`, { exact: true }).waitFor();

    await by(page, 'write-input').fill('gonna be late, sorry');
    await by(page, 'max-tokens').fill('8');
    await by(page, 'max-tokens').blur();
    await by(page, 'write-start').click();
    await page.waitForFunction(() => /tokens/.test(document.querySelector('[data-testid=write-status]').innerText));
    assert.ok((await by(page, 'answer-base').innerText()).length > 0);
    await by(page, 'answer-adapted').locator('button').first().click();
    await page.locator('.nearest li').first().waitFor();
    assert.ok((await by(page, 'why').locator('tbody tr').count()) >= 2);

    await by(page, 'evaluate-limit').fill('3');
    await by(page, 'evaluate-limit').blur();
    await by(page, 'evaluate-start').click();
    await by(page, 'report-table').waitFor();
    assert.equal(await by(page, 'report-table').locator('tbody tr').count(), 4);
    const wide = page.viewportSize();
    await page.setViewportSize({ width: 390, height: 900 });
    const box = await by(page, 'report-table').evaluate((e) => [e.parentElement.scrollWidth, e.parentElement.clientWidth]);
    assert.ok(box[0] <= box[1], `the scores are ${box[0]} pixels wide where there are ${box[1]}`);
    await page.setViewportSize(wide);

    // Another visit finds the verdict again.
    await page.reload();
    await by(page, 'model-ready').waitFor();
    assert.equal(await by(page, 'check-verdict').innerText(), verdict);
    await by(page, 'report-table').waitFor();

    const download = async (id) => {
      const [file] = await Promise.all([page.waitForEvent('download'), by(page, id).click()]);
      return file.path();
    };
    const report = JSON.parse(readFileSync(await download('export-report'), 'utf8'));
    assert.equal(report.methods.length, 4);
    const adapter = await download('export-adapter');
    await page.getByText('Download the memory').click();
    assert.ok(readFileSync(await download('export-memory')).length > 1000);
    await by(page, 'import-adapter').setInputFiles({ name: 'a.safetensors', mimeType: 'application/octet-stream', buffer: readFileSync(adapter) });
    await page.getByText('An imported adapter').waitFor();

    // An adapter that was found not to help: the model writes alone until somebody moves the weight.
    await by(page, 'import-adapter').setInputFiles({ name: 'b.safetensors', mimeType: 'application/octet-stream', buffer: useless(readFileSync(adapter)) });
    await by(page, 'write-alone').waitFor();
    await page.getByLabel('Weight of the adapter: 0.00', { exact: true }).waitFor();
    await by(page, 'write-input').fill('gonna be late, sorry');
    await by(page, 'write-start').click();
    const both = /Without the adapter: (\d+) tokens.*; with it: (\d+) tokens/;
    await page.waitForFunction((both) => new RegExp(both).test(document.querySelector('[data-testid=write-status]').innerText), both.source);
    const [, base, adapted] = both.exec(await by(page, 'write-status').innerText());
    assert.equal(base, adapted);
    assert.equal(await page.locator('.token:not(.shade-0)').count(), 0, 'no word is moved');
    await by(page, 'lambda').fill('1');
    await by(page, 'write-alone').waitFor({ state: 'hidden' });
    await by(page, 'write-start').click();
    await page.locator('.token:not(.shade-0)').first().waitFor();
    await by(page, 'write-start').waitFor();

    // Another visit finds everything again.
    await page.reload();
    await by(page, 'model-ready').waitFor();
    await by(page, 'train-done').waitFor();
    await by(page, 'data-ready').waitFor();

    await by(page, 'delete-all').click();
    await by(page, 'delete-confirm').click();
    await by(page, 'model-default').waitFor();
    await page.waitForFunction(() => !/language model/.test(document.querySelector('[data-testid=kept-list]').innerText));

    const strangers = requests.filter(([method, url]) => method !== 'GET' || !(url.startsWith(origin) || /^(blob|data):/.test(url)));
    assert.deepEqual(strangers, [], 'nothing is sent, nobody else is asked');
    assert.ok(requests.some(([, url]) => url.endsWith('.gguf')), 'the worker is listened to as well');
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
});

test('the policy holds in the page and in the engine', async () => {
  let hits = 0;
  const other = createServer((_, response) => { hits += 1; response.setHeader('Access-Control-Allow-Origin', '*'); response.end('x'); });
  await new Promise((listening) => other.listen(0, '127.0.0.1', listening));
  const address = `http://127.0.0.1:${other.address().port}/`;
  const { page, close } = await open();
  try {
    await prepare(page);
    const reach = (url) => fetch(url, { mode: 'cors' }).then(() => 'reached', () => 'refused');
    assert.equal(await page.evaluate(reach, address), 'refused');
    assert.equal(await page.workers()[0].evaluate(reach, address), 'refused');
    assert.equal(hits, 0);
    assert.equal(await reach(address), 'reached', 'the other server does answer');
  } finally {
    await close();
    other.close();
  }
});

test('axe finds nothing', async () => {
  const { page, close } = await open({ bypassCSP: true });
  try {
    await prepare(page);
    assert.equal(await by(page, 'template').inputValue(), 'formality', 'the template that suits the data is shown');
    await settle(page, { 'Pairs at most': 12, 'Steps at most': 4 });
    await by(page, 'train-start').click();
    await by(page, 'train-done').waitFor();
    await page.locator('details').evaluateAll((all) => all.forEach((d) => (d.open = true)));
    for (const width of [390, 768, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `the page is ${wide} pixels wide where there are ${width}`);
    }
    assert.deepEqual(await findings(page), []);
    await page.evaluate(() => document.body.append(document.createElement('img')));
    assert.notDeepEqual(await findings(page), [], 'axe does look');
  } finally {
    await close();
  }
});
