// Pairs that come as two texts: opened, dropped and pasted; and what the page says of two that do not fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { by, open, start } from './browser.mjs';

const lines = (word, n) => Array.from({ length: n }, (_, i) => `${word} ${i}`).join('\n');

test('two texts are pairs, line by line', async () => {
  const { page, errors, close } = await open();
  try {
    await start(page);
    const ready = by(page, 'data-ready');
    const said = async (pattern) => assert.match(await ready.innerText(), pattern);
    const until = (text) => ready.filter({ hasText: text }).waitFor();
    const file = ([name, text]) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });

    await by(page, 'data-file').setInputFiles([['short.txt', lines('in', 60)], ['long.txt', lines('out', 60) + '\n\n']].map(file));
    await until('short.txt + long.txt');
    await said(/44 pairs to learn from, 10 to choose settings on, 6 to test on/);
    const first = () => page.locator('#pairs tbody tr').first().locator('td').allInnerTexts();
    const [input, target] = await first();
    assert.equal(input.replace('in', 'out'), target, 'line n belongs to line n');
    await by(page, 'data-swap').click();
    await until('long.txt + short.txt');
    assert.deepEqual(await first(), [target, input]);

    // Dropped, and of different length.
    const drop = async (files) => {
      const dataTransfer = await page.evaluateHandle((files) => {
        const transfer = new DataTransfer();
        for (const [name, text] of files) transfer.items.add(new File([text], name));
        return transfer;
      }, files);
      await page.locator('label.open', { has: by(page, 'data-file') }).dispatchEvent('drop', { dataTransfer });
    };
    const trouble = page.locator('#pairs').getByTestId('trouble');
    await drop([['a.txt', lines('in', 60)], ['b.txt', lines('out', 57)]]);
    await trouble.filter({ hasText: 'a.txt has 60 lines and b.txt has 57, so a.txt is 3 lines longer' }).waitFor();
    await said(/long\.txt \+ short\.txt/);
    await drop([['a.txt', 'x'], ['b.csv', 'input,target\nx,y\n']]);
    await trouble.filter({ hasText: 'b.csv holds both sides of the pairs, so open it alone' }).waitFor();
    await drop([['a.txt', lines('in', 60)], ['b.txt', lines('out', 60)]]);
    await until('a.txt + b.txt');
    assert.equal(await trouble.count(), 0);

    // Pasted.
    await page.getByText('Open other pairs').click();
    await page.getByText('Paste text').click();
    await by(page, 'data-paste-format').selectOption('two');
    await by(page, 'data-paste').fill(lines('cant come', 50));
    assert.equal(await by(page, 'data-paste-open').isDisabled(), true, 'one text alone is nothing');
    await by(page, 'data-paste-targets').fill(lines('I am unable to attend', 51));
    await by(page, 'data-paste-open').click();
    await trouble.filter({ hasText: 'so pasted targets is 1 line longer' }).waitFor();
    await by(page, 'data-paste-targets').fill(lines('I am unable to attend', 50));
    await by(page, 'data-paste-open').click();
    await until('pasted inputs + pasted targets');
    assert.match((await first())[1], /^I am unable to attend \d+$/);
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
});

test('a file dropped beside the place for it does not replace the page', async () => {
  const { page, close } = await open();
  try {
    await start(page);
    const refused = await page.evaluate(() => ['dragover', 'drop'].map((name) => {
      const event = new DragEvent(name, { bubbles: true, cancelable: true });
      document.querySelector('footer').dispatchEvent(event);
      return event.defaultPrevented;
    }));
    assert.deepEqual(refused, [true, true]);
  } finally {
    await close();
  }
});
