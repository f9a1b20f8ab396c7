import { afterEach, describe, expect, it, vi } from 'vitest';
import { Microphone, microphone_failure, type MicrophoneState } from './microphone';

/** A track whose events a test fires. */
const track = () => ({ stop: vi.fn(), muted: false }) as unknown as MediaStreamTrack;

function granted(...tracks: MediaStreamTrack[]) {
  const getUserMedia = vi.fn(async () => {
    const next = tracks.shift();
    return { getAudioTracks: () => (next ? [next] : []) };
  });
  vi.stubGlobal('navigator', { mediaDevices: { getUserMedia } });
  return getUserMedia;
}

const event = new Event('any');

describe('the microphone', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('says when the system mutes it, and when it is back', async () => {
    const states: MicrophoneState[] = [];
    const held = track();
    granted(held);
    await new Microphone((state) => states.push(state), vi.fn()).acquire();
    held.onmute?.(event);
    held.onunmute?.(event);
    expect(states).toEqual(['asking', 'on', 'silenced', 'on']);
  });

  it('is replaced when its device is disconnected', async () => {
    const replaced = vi.fn();
    const [first, second] = [track(), track()];
    granted(first, second);
    await new Microphone(vi.fn(), replaced).acquire();
    first.onended?.(event);
    await vi.waitFor(() => expect(replaced).toHaveBeenCalledWith(second));
  });

  it('distinguishes a refusal from a missing device', () => {
    expect(microphone_failure(new DOMException('', 'NotAllowedError'))).toBe('denied');
    expect(microphone_failure(new DOMException('', 'NotFoundError'))).toBe('missing');
    expect(microphone_failure(new TypeError())).toBe('missing');
  });
});
