// The default model in the browser, on the processor: the tokens it writes natively, in bounded memory.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { by, open, studioUrl } from './browser.mjs';

const url = process.env.PEMA_STUDIO_MODEL_URL;
const recorded = JSON.parse(readFileSync(new URL('../fixtures/greedy.json', import.meta.url), 'utf8'));
const MB = 1e6;

test('the default model writes what it writes natively', { skip: url ? false : 'the default model is left out' }, async () => {
  const { page, close } = await open({ args: ['--disable-features=WebGPU', '--disable-gpu'] });
  try {
    await page.goto(url);
    await by(page, 'device-name').waitFor();
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor();
    const bytes = Number(await by(page, 'engine-bytes').getAttribute('data-bytes'));
    console.log(`the engine's memory with the default model on the processor: ${(bytes / MB).toFixed(0)} MB`);
    assert.ok(bytes > 90 * MB && bytes <= 450 * MB, `${bytes} bytes`);

    await by(page, 'write-input').fill(recorded.input);
    await by(page, 'max-tokens').fill(String(recorded.max_tokens));
    await by(page, 'max-tokens').blur();
    await by(page, 'write-start').click();
    await page.waitForFunction(() => /\d tokens/.test(document.querySelector('[data-testid=write-status]').innerText));
    assert.equal((await by(page, 'answer-base').textContent()).trim(), recorded.text);
  } finally {
    await close();
  }
});

test('on a GPU the default model takes little of the memory of the browser', { skip: url ? false : 'the default model is left out' }, async () => {
  const { page, close } = await open();
  try {
    await page.goto(url);
    await by(page, 'device-name').waitFor();
    await page.getByText('Choose another device').click();
    await by(page, 'device-gpu').click();
    await by(page, 'device-use').click();
    await page.locator('#device .tag', { hasText: 'software adapter' }).waitFor({ timeout: 180_000 });
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor({ timeout: 180_000 });
    const bytes = Number(await by(page, 'engine-bytes').getAttribute('data-bytes'));
    console.log(`the engine's memory with the default model on a GPU: ${(bytes / MB).toFixed(0)} MB`);
    assert.ok(bytes > 1 * MB && bytes <= 300 * MB, `${bytes} bytes`);
  } finally {
    await close();
  }
});

test('the page is small and is painted within a second', async () => {
  const { page, close } = await open();
  try {
    const wasm = [];
    page.on('response', (response) => /pema-web.*\.wasm$/.test(response.url()) && wasm.push(response.body()));
    await page.goto(studioUrl);
    await page.getByRole('heading', { name: 'PEMA studio' }).waitFor();
    await page.locator('#device').waitFor();
    const [body] = await Promise.all(wasm);
    const [gzip, brotli] = [gzipSync(body, { level: 9 }).length, brotliCompressSync(body).length];
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
    console.log(`the page's wasm: ${body.length} bytes, ${gzip} with gzip, ${brotli} with brotli; first paint after ${paint.toFixed(0)} ms`);
    assert.ok(gzip <= 400_000, `${gzip} bytes`);
    assert.ok(paint < 1000, `${paint} ms`);
  } finally {
    await close();
  }
});
