// Sound as the screens show it: devices, levels, and what the browser blocks.

import type { MicrophoneState } from './engine/microphone';
import { chosen_device, type SoundDevices, type SoundKind } from './engine/sound_devices';
import { SpeechHold, type Levels } from './view/level';
import { NOBODY_SPEAKS, type Speaking } from './view/members';

export class Sound {
  microphone = $state<MicrophoneState>('off');
  /** The browser's autoplay policy holds the call's sound. */
  blocked = $state(false);
  /** The browser's autoplay policy would hold a ring's sound. */
  ring_blocked = $state(false);
  levels = $state.raw<Levels>({ you: 0, others: 0 });
  speaking = $state.raw<Speaking>(NOBODY_SPEAKS);
  devices = $state.raw<SoundDevices>({ microphones: [], speakers: [] });
  chosen = $state.raw<Record<SoundKind, string | null>>({
    microphone: chosen_device('microphone'),
    speaker: chosen_device('speaker'),
  });
  /** A microphone that came into use by itself, to be named on the screen. */
  changed_to = $state<string | null>(null);
  /** Devices were connected or disconnected during the call. */
  devices_changed = $state(false);

  #name: string | null = null;
  readonly #you = new SpeechHold();
  readonly #others = new SpeechHold();

  update_levels(you: number, others: number, now_ms: number): void {
    this.levels = { you, others };
    const speaking = { you: this.#you.update(you, now_ms), others: this.#others.update(others, now_ms) };
    if (speaking.you !== this.speaking.you || speaking.others !== this.speaking.others) this.speaking = speaking;
  }

  /** The microphone of the call. Another one than before, without a choice of the person, is worth a word. */
  uses(name: string): void {
    if (this.#name !== null && name !== this.#name && name !== '') this.changed_to = name;
    this.#name = name;
  }

  update_devices(devices: SoundDevices): void {
    const ids = (of: SoundDevices) => [...of.microphones, ...of.speakers].map((device) => device.id).join(' ');
    // Before the permission, and outside of a call, the list means nothing.
    if (this.#name !== null && ids(this.devices) !== '' && ids(this.devices) !== ids(devices))
      this.devices_changed = true;
    this.devices = devices;
  }

  choose(kind: SoundKind, id: string | null): void {
    this.chosen = { ...this.chosen, [kind]: id };
    if (kind === 'microphone') {
      this.#name = null;
      this.changed_to = null;
    }
  }

  /** After a call, the next one starts without comparison. */
  call_over(): void {
    this.#name = null;
    this.changed_to = null;
    this.devices_changed = false;
    this.levels = { you: 0, others: 0 };
    this.speaking = NOBODY_SPEAKS;
  }
}
