// The microphones and speakers of this machine, and which of them the person chose. The choice stays on this device.

export interface SoundDevice {
  id: string;
  /** Empty until the page has been allowed to use a microphone. */
  name: string;
}

export interface SoundDevices {
  microphones: SoundDevice[];
  speakers: SoundDevice[];
}

export type SoundKind = 'microphone' | 'speaker';

const NAMES: Record<SoundKind, string> = { microphone: 'telcon.microphone', speaker: 'telcon.speaker' };

/** The chosen device, or `null` for the system's choice. */
export function chosen_device(kind: SoundKind): string | null {
  try {
    return localStorage.getItem(NAMES[kind]);
  } catch {
    return null;
  }
}

export function save_chosen_device(kind: SoundKind, id: string | null): void {
  try {
    if (id === null) localStorage.removeItem(NAMES[kind]);
    else localStorage.setItem(NAMES[kind], id);
  } catch {
    // Storage is unavailable: the choice lasts until the page is closed.
  }
}

/** Whether this browser can play on another speaker than the system's default. */
export const can_choose_speaker = (): boolean => 'setSinkId' in HTMLMediaElement.prototype;

/** Lists them. Browsers repeat the default device under the ids `default` and `communications`, which are left out. */
export function sound_devices(all: Pick<MediaDeviceInfo, 'kind' | 'deviceId' | 'label'>[]): SoundDevices {
  const of = (kind: MediaDeviceKind) =>
    all
      .filter((one) => one.kind === kind && one.deviceId && !['default', 'communications'].includes(one.deviceId))
      .map((one) => ({ id: one.deviceId, name: one.label }));
  return { microphones: of('audioinput'), speakers: of('audiooutput') };
}

/** Calls `changed` with the devices now and whenever one is connected or disconnected. */
export function watch_sound_devices(changed: (devices: SoundDevices) => void): () => void {
  const devices = navigator.mediaDevices;
  if (!devices) return () => undefined;
  const list = () =>
    devices.enumerateDevices().then(
      (all) => changed(sound_devices(all)),
      (error: unknown) => console.warn('devices', error),
    );
  void list();
  devices.addEventListener('devicechange', list);
  return () => devices.removeEventListener('devicechange', list);
}
