import { afterEach, expect, it, vi } from 'vitest';
import { test_microphone } from './sound_test';

afterEach(() => vi.unstubAllGlobals());

it('a test of the microphone gives the audio devices back', async () => {
  const context = {
    resume: async () => undefined,
    suspend: async () => undefined,
    close: vi.fn(async () => undefined),
    createMediaStreamSource: () => ({ connect: () => undefined, disconnect: () => undefined }),
  };
  const track = { stop: vi.fn() };
  const stream = { getTracks: () => [track], getAudioTracks: () => [track] };
  const granted = Promise.resolve(stream);
  vi.stubGlobal('navigator', { mediaDevices: { getUserMedia: () => granted } });
  vi.stubGlobal('localStorage', { getItem: () => null });
  vi.stubGlobal(
    'AudioContext',
    vi.fn(function () {
      return context;
    }),
  );
  vi.stubGlobal('MediaStream', vi.fn());
  vi.stubGlobal('AnalyserNode', vi.fn());
  const stop = test_microphone(
    () => undefined,
    () => expect.unreachable(),
  );
  await granted;
  stop();
  expect([track.stop.mock.calls.length, context.close.mock.calls.length]).toEqual([1, 1]);
});
