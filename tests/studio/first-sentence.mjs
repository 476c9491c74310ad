// How long a newcomer waits for the first adapted sentence: default model, example pairs, processor, nothing
// changed in any setting. Measures, and fails only where the wait is longer than a newcomer is promised.
// Run by `cargo xtask studio --time` on a machine that does nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { by, open } from './browser.mjs';

const MOST_SECONDS = 600;
const INPUT = 'gonna be late, sorry';

test('the first adapted sentence', { timeout: 1.5e6 }, async () => {
  const { page, close } = await open({ args: ['--disable-features=WebGPU', '--disable-gpu'] });
  try {
    page.setDefaultTimeout(1.2e6);
    const begun = Date.now();
    const at = (what) => console.log(`${((Date.now() - begun) / 1e3).toFixed(0).padStart(4)} s  ${what}`);
    await page.goto(process.env.PEMA_STUDIO_MODEL_URL);
    await by(page, 'device-name').waitFor();
    at('the device is tested');
    await by(page, 'model-default').click();
    await by(page, 'model-ready').waitFor();
    at('the model is open');
    await by(page, 'data-example').click();
    await by(page, 'data-ready').waitFor();
    await by(page, 'train-start').click();
    // All the while: how long until the page paints again, which is what a click waits for.
    const frames = [];
    let waiting = true;
    const watching = (async () => {
      while (waiting) {
        frames.push(await page.evaluate(() => new Promise((done) => {
          const begun = performance.now();
          requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
        })));
        await page.waitForTimeout(500);
      }
    })();
    await by(page, 'train-done').waitFor();
    at(await by(page, 'check-verdict').innerText());
    waiting = false;
    await watching;
    await by(page, 'write-input').fill(INPUT);
    await by(page, 'write-start').click();
    await page.waitForFunction(() => /\d tokens/.test(document.querySelector('[data-testid=write-status]').innerText));
    at(`written: ${(await by(page, 'answer-adapted').textContent()).trim()}`);
    console.log(`slowest of ${frames.length} frames meanwhile: ${Math.max(...frames).toFixed(0)} ms`);
    assert.ok((Date.now() - begun) / 1e3 < MOST_SECONDS);
  } finally {
    await close();
  }
});
