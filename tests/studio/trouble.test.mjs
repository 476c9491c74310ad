// What goes wrong in real life: reloads, killed browsers, second tabs, broken files, no GPU, no network.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { by, listen, open, prepare, settle, start } from './browser.mjs';

const file = (name, text) => ({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(text) });

/** A page that stands still in the middle of the run. */
async function halfway(page) {
  await prepare(page);
  await by(page, 'train-start').click();
  await page.getByText(/Reading your pairs: \d+ of/).waitFor();
  await by(page, 'train-pause').click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
}

test('a reload in the middle goes on by itself', async () => {
  const { page, close } = await open();
  try {
    await halfway(page);
    await page.reload();
    await by(page, 'train-done').waitFor({ timeout: 240_000 });
  } finally {
    await close();
  }
});

test('a reload in the middle of training goes on at that step', async () => {
  const { page, close } = await open();
  try {
    await listen(page);
    await prepare(page);
    await settle(page, { 'Pairs at most': 24, 'Steps at most': 300 });
    await by(page, 'train-start').click();
    await page.getByText(/Training, stage 2: step \d\d+ of 300/).waitFor();
    await by(page, 'train-pause').click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    const step = (text) => Number(/step (\d+) of/.exec(text)?.[1]);
    const stood = step(await by(page, 'train-progress').innerText());
    await page.reload();
    await by(page, 'train-done').waitFor({ timeout: 240_000 });
    const said = await page.evaluate(() => globalThis.said);
    assert.ok(!said.some((text) => text.startsWith('Reading your pairs')), 'nothing is read again');
    assert.ok(step(said.find((text) => text.startsWith('Training'))) >= stood, `it stood at ${stood}: ${said.slice(0, 5)}`);
    assert.match(await by(page, 'train-done').innerText(), /best of 300 steps/);
  } finally {
    await close();
  }
});

test('an engine that died over a training is not set to the same by itself', async () => {
  const { page, close } = await open();
  try {
    await halfway(page);
    await page.workers()[0].evaluate(() => void setTimeout(() => { throw new Error('of the test'); }));
    await page.getByText('The engine was started again.').waitFor();
    await by(page, 'model-kept').click();
    await by(page, 'model-ready').waitFor();
    await page.waitForTimeout(1000);
    assert.equal(await by(page, 'train-start').innerText(), 'Go on where it stopped');
    await by(page, 'train-start').click();
    await by(page, 'train-done').waitFor({ timeout: 240_000 });
  } finally {
    await close();
  }
});

test('a check can be cut off, goes on by itself, and can be skipped', async () => {
  const { page, close } = await open();
  try {
    await listen(page);
    await prepare(page);
    await settle(page, { 'Pairs at most': 24, 'Steps at most': 6 });
    await by(page, 'train-start').click();
    const stand = async () => {
      await page.getByText(/^Checking whether it helps/).waitFor();
      await by(page, 'train-pause').click();
      await page.getByRole('button', { name: 'Go on' }).waitFor();
      assert.equal(await by(page, 'train-stop').innerText(), 'Skip the rest of the check');
    };
    await stand();
    await page.reload();
    await stand();
    const said = await page.evaluate(() => globalThis.said);
    assert.ok(!said.some((text) => /^(Reading|Training)/.test(text)), `nothing is read or learnt again: ${said}`);
    await by(page, 'train-stop').click();
    await by(page, 'check-verdict').waitFor();
    assert.doesNotMatch(await by(page, 'check-verdict').innerText(), /could not be checked/);
    assert.match(await by(page, 'train-done').innerText(), /chrF points against the model alone|No answers were compared/);
  } finally {
    await close();
  }
});

test('what needs more room than the browser says it has is not begun', async () => {
  const { page, close } = await open();
  try {
    await prepare(page);
    await page.getByText(/MB of storage are needed; the browser offers \d/).waitFor();
    // Chromium offers every site some GB more than it uses, whatever the disk holds.
    await page.workers()[0].evaluate(() => {
      globalThis.estimate = StorageManager.prototype.estimate;
      StorageManager.prototype.estimate = async () => ({ usage: 5_000_000, quota: 5_100_000 });
    });
    await by(page, 'train-start').click();
    const trouble = page.locator('#training').getByTestId('trouble');
    await trouble.waitFor();
    assert.match(await trouble.innerText(), /about \d.* MB of storage .* only 0\.1 MB more; nothing was begun/s);
    await page.workers()[0].evaluate(() => { StorageManager.prototype.estimate = globalThis.estimate; });
    await settle(page, { 'Pairs at most': 24, 'Steps at most': 6 });
    await by(page, 'train-start').click();
    await by(page, 'train-done').waitFor();
    assert.equal(await trouble.count(), 0);
  } finally {
    await close();
  }
});

test('a device without room says so, and what was kept before is there afterwards', async () => {
  const { context, page, close } = await open();
  try {
    await prepare(page);
    const cdp = await context.newCDPSession(page);
    const origin = new URL(page.url()).origin;
    const { usage } = await cdp.send('Storage.getUsageAndQuota', { origin });
    await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage + 400_000 });
    await by(page, 'train-start').click();
    const trouble = page.locator('#training').getByTestId('trouble');
    await trouble.waitFor();
    assert.match(await trouble.innerText(), /free some space.*what was written before is kept/is);
    await cdp.send('Storage.overrideQuotaForOrigin', { origin });
    await page.reload();
    await by(page, 'model-ready').waitFor();
    await by(page, 'data-ready').waitFor();
    await settle(page, { 'Pairs at most': 24, 'Steps at most': 6 });
    await by(page, 'train-start').click();
    await by(page, 'train-done').waitFor();
  } finally {
    await close();
  }
});

test('a killed browser loses nothing that was written', { skip: process.platform === 'win32' }, async () => {
  const first = await open();
  await halfway(first.page);
  // The folder's name is this test's own, so only its browser is meant.
  try { execFileSync('pkill', ['-9', '-f', first.folder]); } catch { /* its last process is gone already */ }
  await new Promise((later) => setTimeout(later, 1000));
  const second = await open({ folder: first.folder });
  try {
    await start(second.page);
    await by(second.page, 'train-done').waitFor({ timeout: 240_000 });
  } finally {
    await second.close();
  }
});

test('a second tab is told so, and takes over when the first is closed', async () => {
  const { context, page, close } = await open();
  try {
    await prepare(page);
    const second = await context.newPage();
    await second.goto(page.url());
    await second.getByText(/open in another tab/).waitFor();
    await page.close();
    await by(second, 'again').click();
    await by(second, 'data-ready').waitFor();
  } finally {
    await close();
  }
});

test('broken files are named with their line and change nothing', async () => {
  const { page, close } = await open();
  try {
    await prepare(page);
    await by(page, 'data-file').setInputFiles(file('pairs.csv', 'input,target\na,b\nonly one\nc,d\n'));
    await by(page, 'trouble').waitFor();
    assert.match(await by(page, 'trouble').innerText(), /pairs\.csv.*3/s);
    await by(page, 'data-ready').waitFor();
    await by(page, 'model-file').setInputFiles(file('holiday.gguf', 'not a model at all'));
    await page.locator('#model').getByTestId('trouble').waitFor();
    assert.match(await page.locator('#model').getByTestId('trouble').innerText(), /holiday\.gguf/);
    // The model that was open is still open, and kept.
    await by(page, 'model-ready').waitFor();
    await page.reload();
    await by(page, 'model-ready').waitFor();
  } finally {
    await close();
  }
});

test('without WebGPU the processor is taken, and with it the user may choose', async () => {
  const none = await open({ args: ['--disable-features=WebGPU', '--disable-gpu'] });
  try {
    await start(none.page);
    await none.page.locator('#device .lead', { hasText: 'processor' }).waitFor();
    await by(none.page, 'no-gpu').locator('summary').click();
    await none.page.getByText('chrome://flags/#enable-unsafe-webgpu').waitFor();
  } finally {
    await none.close();
  }
  const software = await open();
  try {
    await start(software.page);
    await software.page.getByText('Choose another device').click();
    await by(software.page, 'device-gpu').click();
    await by(software.page, 'device-use').click();
    await software.page.locator('#device .tag', { hasText: 'software adapter' }).waitFor({ timeout: 180_000 });
  } finally {
    await software.close();
  }
});

test('a loaded studio opens without a network', async () => {
  const { context, page, close } = await open();
  try {
    await start(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await context.setOffline(true);
    await page.reload();
    await by(page, 'device-name').waitFor();
  } finally {
    await close();
  }
});
