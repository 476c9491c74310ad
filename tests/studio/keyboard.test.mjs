// The whole journey with the keyboard alone, what a screen reader hears of it, and no motion where none is wanted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { by, open, start } from './browser.mjs';

/** What has the focus: its test id or its words, where it is, and whether it can be seen that it has the focus. */
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  const style = getComputedStyle(e.closest('.open') ?? e);
  return {
    id: e.dataset.testid ?? '',
    text: ((e.labels?.[0] ?? e).innerText ?? '').trim().replace(/\s+/g, ' '),
    step: e.closest('section')?.id ?? '',
    body: e === document.body,
    token: e.classList.contains('token'),
    seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
  };
});

/** Presses Tab until `name` (a test id or a text) has the focus; every stop on the way must be visible as one. */
async function tab(page, name, { most = 12, key = 'Tab' } = {}) {
  const way = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press(key);
    const here = await focused(page);
    assert.ok(here.body || here.seen, `nobody sees that "${here.id || here.text}" has the focus`);
    if (here.id === name || here.text === name) return;
    way.push(here.id || here.text || 'nothing');
  }
  assert.fail(`${name} is not reached with ${most} times ${key}, only ${way.join(', ')}`);
}

/** Waits until the focus is in a step, where it must stay although the control that had it is gone. */
async function stays(page, step) {
  await page.waitForFunction((id) => document.activeElement.closest('section')?.id === id, step).catch(() => {});
  assert.equal((await focused(page)).step, step, 'the focus stays in its step');
}

test('the whole journey with the keyboard alone', async () => {
  const { page, errors, close } = await open();
  try {
    await page.addInitScript(() => {
      globalThis.heard = [];
      new MutationObserver(() => {
        const said = document.querySelector('[data-testid=said]')?.textContent;
        if (said && said !== globalThis.heard.at(-1)) globalThis.heard.push(said);
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await start(page);
    // The list of steps leads to a step.
    await tab(page, '2 Model', { most: 2 });
    await page.keyboard.press('Enter');
    await stays(page, 'model');
    await tab(page, 'model-default', { most: 1 });
    await page.keyboard.press('Enter');
    await by(page, 'model-ready').waitFor();
    await stays(page, 'model');
    await tab(page, 'data-example');
    await page.keyboard.press('Space');
    await by(page, 'data-ready').waitFor();
    await stays(page, 'pairs');

    await tab(page, 'Advanced', { most: 16 });
    await page.keyboard.press('Enter');
    await tab(page, 'Pairs at most');
    await page.keyboard.type('24');
    await tab(page, 'Steps at most');
    await page.keyboard.type('6');
    await tab(page, 'train-start', { key: 'Shift+Tab' });
    await page.keyboard.press('Enter');
    await by(page, 'train-done').waitFor();
    await stays(page, 'training');

    await tab(page, 'write-input', { most: 16 });
    await page.keyboard.type('gonna be late, sorry');
    await tab(page, 'max-tokens');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('8');
    await tab(page, 'write-input', { key: 'Shift+Tab' });
    await page.keyboard.press('Control+Enter');
    await page.waitForFunction(() => /with it: \d+ tokens/.test(document.querySelector('[data-testid=write-status]').innerText));
    assert.equal((await focused(page)).id, 'write-input');
    for (let i = 0; i < 8 && !(await focused(page)).token; i++) await page.keyboard.press('Tab');
    const first = await focused(page);
    assert.ok(first.token && first.seen, 'the answer is reached');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await page.locator('.nearest li').first().waitFor();
    const pressed = page.locator('.token').nth(1);
    assert.equal(await pressed.getAttribute('aria-pressed'), 'true', 'the second word is the one that is asked about');
    assert.equal(await pressed.evaluate((e) => e === document.activeElement), true);
    await page.keyboard.press('Tab');
    assert.equal((await focused(page)).token, false, 'an answer is one stop');

    // Escape stops an answer that would go on.
    await tab(page, 'max-tokens', { key: 'Shift+Tab' });
    await page.keyboard.press('Control+A');
    await page.keyboard.type('512');
    await tab(page, 'write-input', { key: 'Shift+Tab' });
    await page.keyboard.press('Control+Enter');
    await page.locator('[data-testid=answer-adapted] .token').nth(3).waitFor();
    assert.ok(await by(page, 'write-stop').isVisible(), 'it still writes');
    await page.keyboard.press('Escape');
    await by(page, 'write-start').waitFor();
    const [, tokens] = /with it: (\d+) tokens/.exec(await by(page, 'write-status').innerText());
    assert.ok(Number(tokens) < 512 && await by(page, 'answer-searched').isHidden(), `${tokens} tokens`);
    assert.equal((await focused(page)).id, 'write-input');

    await tab(page, 'evaluate-start');
    await page.keyboard.press('Enter');
    await by(page, 'report-table').waitFor();
    await stays(page, 'report');
    await tab(page, 'delete-all', { most: 16 });
    await page.keyboard.press('Enter');
    assert.equal((await focused(page)).text, 'Keep', 'what cannot be undone is not the first choice');
    await page.keyboard.press('Escape');
    assert.equal((await focused(page)).id, 'delete-all', 'closing leads back');

    const heard = await page.evaluate(() => globalThis.heard);
    for (const said of ['The model is open.', '490 pairs are open.']) assert.ok(heard.includes(said), `${said} in ${heard}`);
    assert.ok(heard.some((said) => /^Your adapter is ready\. (Your adapter (helps|seems|does)|No clear)/.test(said)), `the verdict of the check in ${heard}`);
    assert.ok(heard.some((said) => /^Training, \d+ percent done$/.test(said)), `${heard}`);
    assert.match(heard.at(-1), /^Tuning|^There/, 'the verdict is said');
    assert.ok(heard.length < 50, `${heard.length} announcements are too many`);
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
});

test('nothing moves where no motion is wanted', async () => {
  const { page, close } = await open();
  try {
    await page.setViewportSize({ width: 390, height: 700 });
    await start(page);
    // Where the page stands in the moment after a step is chosen.
    const jump = async (reducedMotion) => {
      await page.emulateMedia({ reducedMotion });
      await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
      return page.evaluate(() => {
        document.querySelector('a[href="#write"]').click();
        const moving = document.getAnimations().length;
        return { top: document.querySelector('#write').getBoundingClientRect().top, moving };
      });
    };
    const [still, moved] = [await jump('reduce'), await jump('no-preference')];
    assert.ok(still.top < 650, `at once: ${still.top}`);
    assert.equal(still.moving, 0);
    assert.ok(moved.top > still.top + 100, `otherwise it scrolls there: ${moved.top}`);
  } finally {
    await close();
  }
});
