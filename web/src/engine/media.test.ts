import { afterEach, describe, expect, it, vi } from 'vitest';
import { live } from '../fake/views';
import type { IceServerCache } from './ice_servers';
import { Media } from './media';

afterEach(() => vi.unstubAllGlobals());

const track = (label: string) => ({ label, enabled: true, muted: false, stop: vi.fn(), getSettings: () => ({}) });

/** A browser whose microphone is what `ask` answers. */
function browser(ask: () => Promise<unknown>) {
  const sender = {
    track: null as unknown,
    replaceTrack: vi.fn(async (next: unknown) => void (sender.track = next)),
  };
  const silence = track('silence');
  class Connection {
    localDescription = { sdp: 'offer' };
    addTransceiver = () => ({ sender, receiver: { track: track('') }, setCodecPreferences: () => undefined });
    getTransceivers = () => [];
    getReceivers = () => [];
    setLocalDescription = async () => undefined;
    close = () => undefined;
  }
  class Context {
    state = 'running';
    createMediaStreamDestination = () => ({ stream: { getAudioTracks: () => [silence] } });
    createMediaStreamSource = () => ({ connect: () => undefined, disconnect: () => undefined });
    resume = async () => undefined;
    suspend = async () => undefined;
    close = async () => undefined;
  }
  vi.stubGlobal('RTCPeerConnection', Connection);
  vi.stubGlobal('RTCRtpScriptTransform', class {});
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  vi.stubGlobal('HTMLMediaElement', class {});
  vi.stubGlobal('MediaStream', class {});
  vi.stubGlobal(
    'Audio',
    class {
      play = async () => undefined;
      remove = () => undefined;
    },
  );
  vi.stubGlobal('AudioContext', Context);
  vi.stubGlobal(
    'AnalyserNode',
    class {
      getFloatTimeDomainData = () => undefined;
    },
  );
  vi.stubGlobal(
    'ConstantSourceNode',
    class {
      connect = () => undefined;
      start = () => undefined;
    },
  );
  vi.stubGlobal('localStorage', { getItem: () => null });
  vi.stubGlobal('navigator', { mediaDevices: { getUserMedia: ask } });
  const events = {
    command: vi.fn(),
    microphone: vi.fn(),
    sound_blocked: vi.fn(),
    levels: vi.fn(),
    microphone_name: vi.fn(),
  };
  const media = new Media({} as Worker, events, { servers: [] } as unknown as IceServerCache);
  return { media, sender, silence, events };
}

describe('a device without a microphone', () => {
  it('sends silence, whose frames tell the others that it is muted, until it has one', async () => {
    const ask = vi.fn<() => Promise<unknown>>(() => Promise.reject(new DOMException('', 'NotAllowedError')));
    const { media, sender, silence, events } = browser(ask);
    await media.open_leg();
    await media.update_call(live());
    expect(events.microphone).toHaveBeenLastCalledWith('denied');
    expect(sender.track).toBe(silence);
    expect(events.microphone_name, 'silence is no microphone').not.toHaveBeenCalled();
    const microphone = track('Headset');
    ask.mockResolvedValue({ getAudioTracks: () => [microphone] });
    await media.microphone.retry();
    await vi.waitFor(() => expect(sender.track).toBe(microphone));
    await vi.waitFor(() => expect(silence.stop).toHaveBeenCalledOnce());
    await media.update_call(null);
    await vi.waitFor(() => expect(sender.track).toBeNull());
    media.close_leg();
  });

  it('sends nothing outside a call', async () => {
    const { media, sender } = browser(() => Promise.reject(new DOMException('', 'NotFoundError')));
    await media.open_leg();
    await media.update_call(live({ state: 'ended' }));
    expect(sender.track).toBeNull();
    media.close_leg();
  });
});
