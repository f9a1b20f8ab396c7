// The media leg on the page: a peer connection whose every frame goes through the worker's engine.
// It lives here because peer connections do not exist in workers.

import type { Call, Command } from './contract';
import type { TransformOptions } from './messages';
import { Microphone, type MicrophoneState } from './microphone';
import { answers, constant_rate, only_opus, without_levels } from './sdp';
import type { Ways } from './ways';

/** Receive slots of a leg: everybody but oneself (`RECEIVE_SLOTS` of telcon-proto). */
const RECEIVE_SLOTS = 7;
/** How long a leg may be without any packet before it is made anew, milliseconds: a change of network, not a hiccup. */
const LOST_AFTER_MS = 2_500;
/** How long a microphone asked for by a gesture waits for its call, milliseconds: a ring is in the log within one second. */
const CALL_COMES_WITHIN_MS = 10_000;

export interface MediaEvents {
  command(command: Command): void;
  microphone(state: MicrophoneState): void;
  /** The browser wants a gesture before it plays sound. */
  sound_blocked(blocked: boolean): void;
}

interface Leg {
  connection: RTCPeerConnection;
  sender: RTCRtpSender;
  players: HTMLAudioElement[];
  lost: ReturnType<typeof setTimeout> | undefined;
}

export class Media {
  readonly microphone: Microphone;
  #leg: Leg | undefined;
  #speaking = false;
  #muted = false;
  #in_call = false;
  #waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly worker: Worker,
    private readonly events: MediaEvents,
    private readonly ways: Ways,
  ) {
    this.microphone = new Microphone(events.microphone, (track) => void this.#attach(track));
  }

  /** Whether this browser can encrypt what it sends. There is no other way to send. */
  static supported(): boolean {
    return typeof RTCRtpScriptTransform === 'function' && typeof RTCPeerConnection === 'function';
  }

  /** Makes a leg and offers it, in place of the one before. */
  async open_leg(): Promise<void> {
    this.close_leg();
    const connection = new RTCPeerConnection({ iceServers: this.ways.servers, bundlePolicy: 'max-bundle' });
    const up = connection.addTransceiver('audio', { direction: 'sendonly' });
    // Before there is any track: nothing may ever leave unsealed.
    up.sender.transform = this.#transform('send');
    const players = Array.from({ length: RECEIVE_SLOTS }, () => {
      const { receiver } = connection.addTransceiver('audio', { direction: 'recvonly' });
      receiver.transform = this.#transform('receive');
      return this.#player(receiver.track);
    });
    // Nothing else is offered, so that nothing else can be chosen: packets of other codecs tell when somebody speaks.
    const opus = RTCRtpReceiver.getCapabilities('audio')?.codecs.filter((codec) => codec.mimeType.toLowerCase() === 'audio/opus') ?? [];
    for (const transceiver of connection.getTransceivers()) transceiver.setCodecPreferences(opus);
    const leg: Leg = { connection, sender: up.sender, players, lost: undefined };
    this.#leg = leg;
    connection.onconnectionstatechange = () => this.#watch(leg);
    try {
      await connection.setLocalDescription();
      const sdp = connection.localDescription?.sdp;
      if (this.#leg !== leg || !sdp) return;
      this.events.command({ do: 'offer', sdp: without_levels(sdp) });
      if (this.#speaking) await this.#attach(await this.microphone.acquire());
    } catch (error) {
      this.#fail(leg, error);
    }
  }

  async answered(sdp: string): Promise<void> {
    const leg = this.#leg;
    // One to a leg that this one has replaced: the answer to this one comes after it.
    if (!leg || !answers(sdp, leg.connection.localDescription?.sdp ?? '')) return;
    try {
      if (!only_opus(sdp)) throw new Error('the relay answered with another codec than Opus');
      await leg.connection.setRemoteDescription({ type: 'answer', sdp: constant_rate(without_levels(sdp)) });
    } catch (error) {
      this.#fail(leg, error);
    }
  }

  close_leg(): void {
    const leg = this.#leg;
    this.#leg = undefined;
    if (!leg) return;
    clearTimeout(leg.lost);
    leg.connection.onconnectionstatechange = null;
    leg.connection.close();
    for (const player of leg.players) {
      player.srcObject = null;
      player.remove();
    }
    this.events.sound_blocked(false);
  }

  /** From the gesture that rings or answers: asks for the microphone now, so that nobody waits for it later. */
  want_microphone(): void {
    void this.microphone.acquire();
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => {
      if (!this.#in_call) this.microphone.release();
    }, CALL_COMES_WITHIN_MS);
  }

  /** Follows the call: holds the microphone while this device speaks in it, and gives it back after. */
  async follow(call: Call | null): Promise<void> {
    this.#mute(call?.muted ?? false);
    if (!call || call.state === 'ended') {
      if (this.#in_call) this.#release();
      this.#in_call = false;
      return;
    }
    this.#in_call = true;
    if (call.direction === 'listen') return;
    const wanted = call.state === 'answering' || call.state === 'live' || call.state === 'reconnecting';
    if (call.state === 'ringing' && call.direction === 'in' && call.verified) void this.microphone.warm_up();
    if (wanted && !this.#speaking) {
      this.#speaking = true;
      await this.#attach(await this.microphone.acquire());
    }
  }

  /** Plays what the browser held back; called from a gesture. */
  play(): void {
    for (const player of this.#leg?.players ?? []) this.#start(player);
  }

  #release(): void {
    this.#speaking = false;
    void this.#attach(null);
    this.microphone.release();
  }

  async #attach(track: MediaStreamTrack | null): Promise<void> {
    if (track) track.enabled = !this.#muted;
    const leg = this.#leg;
    if (!leg || leg.sender.track === track || (track && !this.#speaking)) return;
    await leg.sender.replaceTrack(track).catch((error: unknown) => console.warn('microphone', error));
  }

  /** Silence goes on at the same size and rate: a muted microphone must not show in the traffic. */
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

  #watch(leg: Leg): void {
    if (this.#leg !== leg) return;
    clearTimeout(leg.lost);
    const state = leg.connection.connectionState;
    if (state === 'failed') this.events.command({ do: 'media_failed' });
    if (state === 'disconnected') {
      leg.lost = setTimeout(() => {
        if (this.#leg === leg && leg.connection.connectionState === 'disconnected') this.events.command({ do: 'media_failed' });
      }, LOST_AFTER_MS);
    }
  }

  #fail(leg: Leg, error: unknown): void {
    if (this.#leg !== leg) return;
    console.warn('media', error);
    this.events.command({ do: 'media_failed' });
  }
}
