// The page's side of the engine: one worker, commands out, events in.

import type { Card, UserCommand, Report, RevocationView, View } from './contract';
import type { DocumentAnswer, DocumentAnswers, DocumentRequest } from './documents';
import { Media } from './media';
import type { Asking } from './asking';
import type { FromWorker, ToWorker } from './messages';
import type { MicrophoneState } from './microphone';
import type { Problem } from './problem';
import type { Proof, Protected, ProtectionRequest } from './protection';
import { IceServerCache, fetch_ice_servers } from './ice_servers';
import { joins_calls } from './roles';
import { save_chosen_device, watch_sound_devices, type SoundDevices, type SoundKind } from './sound_devices';

/** Events for the page. */
export interface HostEvents {
  /** `asking`: this device is not enrolled, and waits for a registrar. */
  ready(enrolled: boolean, asking: boolean): void;
  /** How this device is protected. */
  protectors(device: string, how: Protected): void;
  /** The keys have to be opened first. */
  locked(): void;
  /** A locked device is revoked. */
  revoked(revocation: RevocationView): void;
  asking(asking: Asking): void;
  asking_stopped(): void;
  link_read(person: Card | null, office: string | null, problem: Problem | null): void;
  /** The short code that was typed gives nothing. */
  code_refused(problem: Problem): void;
  enrolled(): void;
  enrol_failed(problem: Problem): void;
  view(view: View): void;
  failed(problem: Problem): void;
  microphone(state: MicrophoneState): void;
  sound_blocked(blocked: boolean): void;
  first_frame_decrypted(at_ms: number): void;
  media_timed_out(timed_out: boolean): void;
  levels(you: number, others: number): void;
  microphone_name(name: string): void;
  sound_devices(devices: SoundDevices): void;
}

/** How the device is protected now, and a proof if one was asked for. */
export type ProtectionAnswer = Protected & { proof: Proof | null };

/** Settles a promise of the page. */
interface Answer<T> {
  resolve: (value: T) => void;
  reject: (problem: Problem) => void;
}

/** Requests of the page. */
export interface Host {
  command(command: UserCommand): void;
  open_link(fragment: string, label: string): void;
  /** A short code was typed, which carries a registrar's link. */
  enter_code(typed: string, label: string): void;
  /** Forgets the request that waits for a registrar. */
  stop_asking(): void;
  /** A text with which the holder of the authority appoints this device as a registrar. */
  request_appointment(): Promise<string>;
  /** Has the worker do something about the protection of this device. Rejects with a `Problem`. */
  protection(request: ProtectionRequest): Promise<ProtectionAnswer>;
  /** Erases keys and state; the page has to be loaded anew then. Rejects with a `Problem`. */
  erase(): Promise<void>;
  /** Has the worker read or write documents. Rejects with a `Problem`. */
  documents<R extends DocumentRequest>(request: R, token: string): Promise<DocumentAnswers[R['is']]>;
  enrol(fragment: string): void;
  check(proof: string): Promise<Report>;
  /** Called from the gesture that rings or answers: requests the microphone early, so that nobody waits for it later. */
  request_microphone(): void;
  /** The same, and whether there is one. */
  acquire_microphone(): Promise<boolean>;
  retry_microphone(): void;
  play(): void;
  /** `null` leaves the choice to the system. Takes effect at once, in a call too. */
  choose_device(kind: SoundKind, id: string | null): void;
}

export function start_host(worker: Worker, events: HostEvents): Host {
  const post = (message: ToWorker) => worker.postMessage(message);
  const command = (command: UserCommand) => post({ type: 'command', command });
  const ice = new IceServerCache(fetch_ice_servers);
  const media = new Media(
    worker,
    {
      command,
      microphone: events.microphone,
      sound_blocked: events.sound_blocked,
      levels: events.levels,
      microphone_name: events.microphone_name,
    },
    ice,
  );
  watch_sound_devices((devices) => {
    media.devices_changed(devices);
    events.sound_devices(devices);
  });
  const checks = new Map<number, Answer<Report>>();
  const appointments = new Map<number, Answer<string>>();
  const protections = new Map<number, Answer<ProtectionAnswer>>();
  const documents = new Map<number, Answer<DocumentAnswer>>();
  const erasures = new Map<number, Answer<void>>();
  let next_id = 0;

  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.type) {
      case 'ready':
        return events.ready(data.enrolled, data.asking);
      case 'protectors':
        return events.protectors(data.device, data.how);
      case 'locked':
        return events.locked();
      case 'protection': {
        const answer = protections.get(data.id);
        protections.delete(data.id);
        if (data.problem) {
          // What was begun may have changed all the same.
          events.protectors('', data.how);
          return answer?.reject(data.problem);
        }
        return answer?.resolve({ ...data.how, proof: data.proof });
      }
      case 'erased_here': {
        const answer = erasures.get(data.id);
        erasures.delete(data.id);
        return data.problem ? answer?.reject(data.problem) : answer?.resolve();
      }
      case 'asking':
        return events.asking(data.asking);
      case 'asking_stopped':
        return events.asking_stopped();
      case 'link_read':
        return events.link_read(data.person, data.office, data.problem);
      case 'code_refused':
        return events.code_refused(data.problem);
      case 'enrolled':
        return events.enrolled();
      case 'enrol_failed':
        return events.enrol_failed(data.problem);
      case 'view':
        if (data.view.you && joins_calls(data.view.you.role)) void ice.refresh(data.view.token);
        void media.update_call(data.view.call);
        return events.view(data.view);
      case 'open_leg':
        return void media.open_leg();
      case 'media_answer':
        return void media.handle_answer(data.sdp);
      case 'close_leg':
        return media.close_leg();
      case 'first_frame_decrypted':
        return events.first_frame_decrypted(data.at_ms);
      case 'media_timed_out':
        return events.media_timed_out(data.timed_out);
      case 'record_checked': {
        const check = checks.get(data.id);
        checks.delete(data.id);
        if (data.report) return check?.resolve(data.report);
        return check?.reject(data.problem ?? { code: 'record_unchecked' });
      }
      case 'appointment_requested': {
        const answer = appointments.get(data.id);
        appointments.delete(data.id);
        if (data.text !== null) return answer?.resolve(data.text);
        return answer?.reject(data.problem ?? { code: 'unknown' });
      }
      case 'documents': {
        const answer = documents.get(data.id);
        documents.delete(data.id);
        return data.problem ? answer?.reject(data.problem) : answer?.resolve(data.answer);
      }
      case 'revoked':
        return events.revoked(data.revocation);
      case 'erased':
        media.close_leg();
        return media.microphone.release();
      case 'failed':
        media.close_leg();
        media.microphone.release();
        return events.failed(data.problem);
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    media.close_leg();
    events.failed({ code: 'engine_not_loaded' });
  };
  addEventListener('online', () => post({ type: 'connect_now' }));
  // Whoever opens the page again, perhaps because it rings, does not wait for the backoff.
  document.addEventListener('visibilitychange', () => void (document.hidden || post({ type: 'connect_now' })));
  navigator.serviceWorker?.addEventListener(
    'message',
    ({ data }) => void (data === 'rung' && post({ type: 'connect_now' })),
  );

  return {
    command,
    open_link: (fragment, label) => post({ type: 'open_link', fragment, label }),
    enter_code: (typed, label) => post({ type: 'enter_code', typed, label }),
    stop_asking: () => post({ type: 'stop_asking' }),
    request_appointment() {
      const id = next_id++;
      return new Promise((resolve, reject) => {
        appointments.set(id, { resolve, reject });
        post({ type: 'request_appointment', id });
      });
    },
    protection(request) {
      const id = next_id++;
      return new Promise((resolve, reject) => {
        protections.set(id, { resolve, reject });
        post({ type: 'protection', id, request });
      });
    },
    erase() {
      const id = next_id++;
      return new Promise((resolve, reject) => {
        erasures.set(id, { resolve, reject });
        post({ type: 'erase', id });
      });
    },
    documents(request, token) {
      const id = next_id++;
      return new Promise((resolve, reject) => {
        documents.set(id, { resolve: resolve as (answer: DocumentAnswer) => void, reject });
        post({ type: 'documents', id, request, token });
      });
    },
    enrol: (fragment) => post({ type: 'enrol', fragment }),
    check(proof) {
      const id = next_id++;
      return new Promise((resolve, reject) => {
        checks.set(id, { resolve, reject });
        post({ type: 'check_record', id, proof });
      });
    },
    request_microphone: () => void media.request_microphone(),
    acquire_microphone: () => media.request_microphone(),
    retry_microphone: () => void media.microphone.retry(),
    play: () => media.play(),
    choose_device(kind, id) {
      save_chosen_device(kind, id);
      if (kind === 'microphone') void media.change_microphone();
      else media.change_speaker();
    },
  };
}
