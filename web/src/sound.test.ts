import { expect, it } from 'vitest';
import { Sound } from './sound.svelte';

it('a microphone that came into use by itself is named until the person chooses one', () => {
  const sound = new Sound();
  sound.uses('Desk microphone');
  sound.uses('Headset');
  expect(sound.changed_to).toBe('Headset');
  sound.choose('speaker', 'b');
  expect(sound.changed_to).toBe('Headset');
  sound.choose('microphone', 'a');
  expect(sound.changed_to).toBeNull();
  sound.uses('Desk microphone');
  expect(sound.changed_to).toBeNull();
});
