import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channel, FaultError, NO_FAULTS, changed } from '../../../boards/emulator/runner/faults.mjs';
import { FakeClock } from './noise.mjs';

const EVERYTHING = { loss: 0.2, duplicate: 0.2, reorder: 0.2, corrupt: 0.2, delay_ms: [0, 50] };

/** Sends numbered packets, one a 10 ms, and returns what arrives: [number, damage, when]. */
function run(seed, faults, count = 400) {
  const clock = new FakeClock();
  const channel = new Channel(seed, clock);
  channel.change(faults);
  const arrived = [];
  for (let i = 0; i < count; i++) {
    channel.send((damage) => arrived.push([i, damage, clock.time_ms]));
    clock.pass(10);
  }
  for (let i = 0; i < 100; i++) clock.pass(10);
  return { arrived, statistics: channel.statistics, channel, clock };
}

test('a good wire passes everything at once and in order', () => {
  const { arrived } = run('a', {});
  assert.deepEqual(arrived.map(([i]) => i), Array.from({ length: 400 }, (_, i) => i));
  assert.ok(arrived.every(([i, damage, at]) => damage === null && at === i * 10));
});

test('the same seed gives the same fates, another one others', () => {
  assert.deepEqual(run('a', EVERYTHING).arrived, run('a', EVERYTHING).arrived);
  assert.notDeepEqual(run('a', EVERYTHING).arrived, run('b', EVERYTHING).arrived);
});

test('changing one fault leaves the decisions of the others alone', () => {
  const numbers = ({ arrived }) => new Set(arrived.map(([i]) => i));
  const lossy = numbers(run('a', { loss: 0.3 }));
  assert.deepEqual(numbers(run('a', { loss: 0.3, duplicate: 0.5, delay_ms: [5, 5] })), lossy);
  assert.ok(lossy.size > 240 && lossy.size < 320, `${lossy.size} of 400 at a loss of 0.3`);
});

test('each fault does what its name says', () => {
  assert.equal(run('a', { loss: 1 }).arrived.length, 0);
  assert.equal(run('a', { duplicate: 1 }).arrived.length, 800);
  assert.ok(run('a', { corrupt: 1 }).arrived.every(([, damage]) => damage >= 0 && damage < 1));
  const late = run('a', { delay_ms: [20, 40] }).arrived;
  assert.ok(late.every(([i, , at]) => at - i * 10 >= 20 && at - i * 10 <= 50));
  const order = run('a', { reorder: 0.5 }).arrived.map(([i]) => i);
  assert.notDeepEqual(order, [...order].sort((a, b) => a - b));
  assert.equal(new Set(order).size, 400);
});

test('one that is held back does not wait for ever', () => {
  const clock = new FakeClock();
  const channel = new Channel('a', clock);
  channel.change({ reorder: 1, reorder_ms: 30 });
  let arrived = 0;
  channel.send(() => arrived++);
  clock.pass(20);
  assert.equal(arrived, 0);
  clock.pass(20);
  assert.equal(arrived, 1);
});

test('a blackout comes at the end of each period, and at once when it is asked for', () => {
  const { arrived } = run('a', { blackout_s: [0.5, 2] });
  assert.deepEqual(
    arrived.map(([i]) => i),
    Array.from({ length: 400 }, (_, i) => i).filter((i) => i % 200 < 150),
  );
  const { channel, clock } = run('a', {}, 0);
  let passed = 0;
  channel.blackOut(1);
  channel.send(() => passed++);
  clock.pass(1000);
  channel.send(() => passed++);
  assert.equal(passed, 1);
  assert.equal(channel.statistics.dark, 1);
});

test('a fault that cannot be is refused by name', () => {
  const refused = (changes, name) =>
    assert.throws(() => changed(NO_FAULTS, changes), (error) => {
      assert.ok(error instanceof FaultError);
      assert.match(error.message, name);
      return true;
    });
  for (const value of [-0.1, 1.1, NaN, '1', null, undefined]) refused({ loss: value }, /loss/);
  for (const value of [[2, 1], [1], 5, [-1, 2], ['a', 'b'], null]) refused({ delay_ms: value }, /delay/);
  for (const value of [[2, 1], [0, 1], 5, [1, 1]]) refused({ blackout_s: value }, /blackout/);
  refused({ reorder_ms: 0 }, /reorder_ms/);
  refused({ gremlins: 1 }, /gremlins/);
  assert.deepEqual(changed(NO_FAULTS, {}), NO_FAULTS);
});
