// The media leg on the page: a peer connection whose every frame goes through the worker's engine.
// It lives here because peer connections do not exist in workers.

import { RECEIVE_SLOTS, type CallView, type UserCommand } from './contract';
import { LEVEL_INTERVAL_MS, LevelMeter } from './level_meter';
import type { TransformOptions } from './messages';
import { Microphone, type MicrophoneState } from './microphone';
import { Silence } from './silence';
import { is_answer_to, force_constant_bitrate, is_opus_only, strip_audio_levels } from './sdp';
import type { IceServerCache } from './ice_servers';
import { kept_back } from './kept_back';
import { can_choose_speaker, chosen_device, type SoundDevices } from './sound_devices';

/** How long a leg may be disconnected before it is replaced, milliseconds: longer than a burst of loss. */
const DISCONNECT_TIMEOUT_MS = 2_500;
/** How long a microphone requested by a gesture is held without a call, milliseconds: a ring is logged within one second. */
const CALL_START_TIMEOUT_MS = 10_000;

export interface MediaEvents {
  command(command: UserCommand): void;
  microphone(state: MicrophoneState): void;
  /** The browser's autoplay policy requires a gesture before it plays sound. */
  sound_blocked(blocked: boolean): void;
  /** Loudness of this device's microphone and of all others, 0 to 1. */
  levels(you: number, others: number): void;
  /** The name of the microphone in use. */
  microphone_name(name: string): void;
}

interface Leg {
  connection: RTCPeerConnection;
  sender: RTCRtpSender;
  players: HTMLAudioElement[];
  disconnect_timer: ReturnType<typeof setTimeout> | undefined;
}

export class Media {
  readonly microphone: Microphone;
  #leg: Leg | undefined;
  #sending = false;
  #muted = false;
  #in_call = false;
  #microphone_timer: ReturnType<typeof setTimeout> | undefined;
  #level_timer: ReturnType<typeof setInterval> | undefined;
  readonly #silence = new Silence();
  readonly #own_level = new LevelMeter();
  readonly #other_levels = new LevelMeter();

  constructor(
    private readonly worker: Worker,
    private readonly events: MediaEvents,
    private readonly ice: IceServerCache,
  ) {
    this.microphone = new Microphone(events.microphone, (track) => void this.#attach(track));
  }

  /** Whether this browser can encrypt frames before they are sent. Telcon sends in no other way. */
  static supported(): boolean {
    return typeof RTCRtpScriptTransform === 'function' && typeof RTCPeerConnection === 'function';
  }

  /** Creates a leg that replaces the previous one, and offers it. */
  async open_leg(): Promise<void> {
    this.close_leg();
    const connection = new RTCPeerConnection({ iceServers: this.ice.servers, bundlePolicy: 'max-bundle' });
    const up = connection.addTransceiver('audio', { direction: 'sendonly' });
    // Before any track is attached: no frame may leave unencrypted.
    up.sender.transform = this.#transform('send');
    const players = Array.from({ length: RECEIVE_SLOTS }, () => {
      const { receiver } = connection.addTransceiver('audio', { direction: 'recvonly' });
      receiver.transform = this.#transform('receive');
      return this.#player(receiver.track);
    });
    // Offer Opus only, so that nothing else can be negotiated: packet sizes of other codecs reveal when somebody speaks.
    const opus =
      RTCRtpReceiver.getCapabilities('audio')?.codecs.filter(
        (codec) => codec.mimeType.toLowerCase() === 'audio/opus',
      ) ?? [];
    for (const transceiver of connection.getTransceivers()) transceiver.setCodecPreferences(opus);
    const leg: Leg = { connection, sender: up.sender, players, disconnect_timer: undefined };
    this.#leg = leg;
    this.#measure_levels(connection);
    connection.onconnectionstatechange = () => this.#on_connection_state(leg);
    try {
      await connection.setLocalDescription();
      const sdp = connection.localDescription?.sdp;
      if (this.#leg !== leg || !sdp) return;
      this.events.command({ type: 'offer', sdp: strip_audio_levels(sdp) });
      if (this.#sending) await this.#attach(await this.microphone.acquire());
    } catch (error) {
      this.#media_failed(leg, error);
    }
  }

  async handle_answer(sdp: string): Promise<void> {
    const leg = this.#leg;
    // The answer belongs to a leg that was replaced meanwhile; this leg's answer follows.
    if (!leg || !is_answer_to(sdp, leg.connection.localDescription?.sdp ?? '')) return;
    try {
      if (!is_opus_only(sdp)) throw new Error('the relay answered with another codec than Opus');
      await leg.connection.setRemoteDescription({
        type: 'answer',
        sdp: force_constant_bitrate(strip_audio_levels(sdp)),
      });
    } catch (error) {
      this.#media_failed(leg, error);
    }
  }

  close_leg(): void {
    const leg = this.#leg;
    this.#leg = undefined;
    if (!leg) return;
    clearInterval(this.#level_timer);
    this.#own_level.stop();
    this.#other_levels.stop();
    clearTimeout(leg.disconnect_timer);
    leg.connection.onconnectionstatechange = null;
    leg.connection.close();
    for (const player of leg.players) {
      player.srcObject = null;
      player.remove();
    }
    this.events.sound_blocked(false);
  }

  /**
   * Called from the gesture that rings or answers: requests the microphone early, so that nobody waits for it later. Whether there
   * is one.
   */
  async request_microphone(): Promise<boolean> {
    const track = this.microphone.acquire();
    clearTimeout(this.#microphone_timer);
    this.#microphone_timer = setTimeout(() => {
      if (!this.#in_call) this.microphone.release();
    }, CALL_START_TIMEOUT_MS);
    return (await track) !== null;
  }

  /** Holds the microphone while this device speaks in a call, and releases it afterwards. */
  async update_call(call: CallView | null): Promise<void> {
    // The engine sends silence while this device's sound is kept back. Without a track that is open nothing can go wrong.
    this.#mute((call?.muted ?? false) || kept_back(call));
    if (!call || call.state === 'ended') {
      if (this.#in_call) this.#release();
      this.#in_call = false;
      return;
    }
    this.#in_call = true;
    if (call.direction === 'listen') return;
    const wanted = call.state === 'answering' || call.state === 'live' || call.state === 'reconnecting';
    if (call.state === 'ringing' && call.direction === 'in' && call.verified) void this.microphone.acquire_if_granted();
    if (wanted && !this.#sending) {
      this.#sending = true;
      await this.#attach(await this.microphone.acquire());
    }
  }

  /** Starts playback that the autoplay policy blocked; called from a gesture. */
  play(): void {
    for (const player of this.#leg?.players ?? []) this.#start(player);
  }

  /** A device was connected or disconnected: what the person chose is used again once it is back. */
  devices_changed(devices: SoundDevices): void {
    const wanted = chosen_device('microphone');
    const back = devices.microphones.some((device) => device.id === wanted);
    if (back && this.microphone.held && this.microphone.held.getSettings().deviceId !== wanted)
      void this.microphone.retry();
    this.change_speaker();
  }

  /** Uses the microphone that the person chose now. */
  async change_microphone(): Promise<void> {
    if (this.microphone.held) await this.microphone.retry();
  }

  /** Plays on the speaker that the person chose now. */
  change_speaker(): void {
    for (const player of this.#leg?.players ?? []) set_speaker(player);
  }

  #measure_levels(connection: RTCPeerConnection): void {
    const received = connection.getReceivers().map((receiver) => receiver.track);
    // The first transceiver only sends; its receiver's track is silent.
    this.#other_levels.measure(received.slice(1));
    this.#level_timer = setInterval(
      () => this.events.levels(this.#own_level.level(), this.#other_levels.level()),
      LEVEL_INTERVAL_MS,
    );
  }

  #release(): void {
    this.#sending = false;
    void this.#attach(null);
    this.microphone.release();
  }

  /**
   * Sends a track; without a microphone, silence: each frame says whether its sender is muted, and without frames the others take
   * it for a lost connection.
   */
  async #attach(track: MediaStreamTrack | null): Promise<void> {
    if (track) track.enabled = !this.#muted;
    const leg = this.#leg;
    const sent = track ?? (this.#sending ? this.#silence.start() : null);
    if (!leg || leg.sender.track === sent || (track && !this.#sending)) return;
    await leg.sender.replaceTrack(sent).catch((error: unknown) => console.warn('microphone', error));
    if (sent === track) this.#silence.stop();
    this.#own_level.measure(track ? [track] : []);
    if (track) this.events.microphone_name(track.label);
  }

  /** A muted track still sends frames of the same size and rate: muting must not show in the traffic. */
  #mute(on: boolean): void {
    this.#muted = on;
    const track = this.#leg?.sender.track;
    if (track) track.enabled = !on;
  }

  #transform(side: TransformOptions['side']): RTCRtpScriptTransform {
    return new RTCRtpScriptTransform(this.worker, { side } satisfies TransformOptions);
  }

  #player(track: MediaStreamTrack): HTMLAudioElement {
    const player = new Audio();
    player.srcObject = new MediaStream([track]);
    set_speaker(player);
    this.#start(player);
    return player;
  }

  #start(player: HTMLAudioElement): void {
    player.play().then(
      () => this.events.sound_blocked(false),
      (error: unknown) => {
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.events.sound_blocked(true);
      },
    );
  }

  #on_connection_state(leg: Leg): void {
    if (this.#leg !== leg) return;
    clearTimeout(leg.disconnect_timer);
    const state = leg.connection.connectionState;
    if (state === 'failed') this.events.command({ type: 'media_failed' });
    if (state === 'disconnected') {
      leg.disconnect_timer = setTimeout(() => {
        if (this.#leg === leg && leg.connection.connectionState === 'disconnected')
          this.events.command({ type: 'media_failed' });
      }, DISCONNECT_TIMEOUT_MS);
    }
  }

  #media_failed(leg: Leg, error: unknown): void {
    if (this.#leg !== leg) return;
    console.warn('media', error);
    this.events.command({ type: 'media_failed' });
  }
}

/** Without a choice, or if the chosen speaker is gone, the system's default plays. */
function set_speaker(player: HTMLAudioElement): void {
  if (!can_choose_speaker()) return;
  player.setSinkId(chosen_device('speaker') ?? '').catch((error: unknown) => console.warn('speaker', error));
}
