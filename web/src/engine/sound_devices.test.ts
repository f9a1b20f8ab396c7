import { describe, expect, it } from 'vitest';
import { sound_devices } from './sound_devices';

describe('sound devices', () => {
  it('are listed once each: the browser’s aliases of the default device are left out', () => {
    const one = (kind: MediaDeviceKind, deviceId: string, label: string) => ({ kind, deviceId, label });
    expect(
      sound_devices([
        one('audioinput', 'default', 'Default'),
        one('audioinput', 'a', 'Desk microphone'),
        one('videoinput', 'v', 'Camera'),
        one('audiooutput', 'communications', 'Communications'),
        one('audiooutput', 'b', 'Headset'),
        one('audiooutput', '', ''),
      ]),
    ).toEqual({ microphones: [{ id: 'a', name: 'Desk microphone' }], speakers: [{ id: 'b', name: 'Headset' }] });
  });
});
