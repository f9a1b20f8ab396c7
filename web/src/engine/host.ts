// The page's end of the engine: one worker, asked and heard.

import type { Card, Command, Report, View } from './contract';
import { Media } from './media';
import type { FromWorker, ToWorker } from './messages';
import type { MicrophoneState } from './microphone';
import { Ways, ways_over_http } from './ways';

/** What the page hears. */
export interface HostEvents {
  ready(enrolled: boolean): void;
  link(person: Card | null, office: string | null, problem: string | null): void;
  enrolled(): void;
  enrol_failed(problem: string): void;
  view(view: View): void;
  failed(problem: string): void;
  microphone(state: MicrophoneState): void;
  sound_blocked(blocked: boolean): void;
  heard(at_ms: number): void;
  silent(silent: boolean): void;
}

/** What the page can ask. */
export interface Host {
  command(command: Command): void;
  read_link(fragment: string): void;
  enrol(fragment: string): void;
  check(proof: string): Promise<Report>;
  /** From the gesture that rings or answers: asks for the microphone at once, so that nobody waits for it later. */
  want_microphone(): void;
  retry_microphone(): void;
  play(): void;
}

export function start_host(worker: Worker, events: HostEvents): Host {
  const ask = (message: ToWorker) => worker.postMessage(message);
  const command = (command: Command) => ask({ ask: 'command', command });
  const ways = new Ways(ways_over_http);
  const media = new Media(worker, { command, microphone: events.microphone, sound_blocked: events.sound_blocked }, ways);
  const checks = new Map<number, { resolve: (report: Report) => void; reject: (problem: string) => void }>();
  let next_check = 0;

  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.tell) {
      case 'ready':
        return events.ready(data.enrolled);
      case 'link':
        return events.link(data.person, data.office, data.problem);
      case 'enrolled':
        return events.enrolled();
      case 'enrol_failed':
        return events.enrol_failed(data.problem);
      case 'view':
        void ways.follow(data.view.token);
        void media.follow(data.view.call);
        return events.view(data.view);
      case 'open_leg':
        return void media.open_leg();
      case 'media_answer':
        return void media.answered(data.sdp);
      case 'close_leg':
        return media.close_leg();
      case 'heard':
        return events.heard(data.at_ms);
      case 'silent':
        return events.silent(data.silent);
      case 'checked': {
        const check = checks.get(data.id);
        checks.delete(data.id);
        if (data.report) return check?.resolve(data.report);
        return check?.reject(data.problem ?? 'This record could not be checked.');
      }
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
    events.failed('The part of Telcon that encrypts could not be loaded. Check the connection and reload this page.');
  };
  addEventListener('online', () => ask({ ask: 'connect_now' }));

  return {
    command,
    read_link: (fragment) => ask({ ask: 'link', fragment }),
    enrol: (fragment) => ask({ ask: 'enrol', fragment }),
    check(proof) {
      const id = next_check++;
      return new Promise((resolve, reject) => {
        checks.set(id, { resolve, reject });
        ask({ ask: 'check', id, proof });
      });
    },
    want_microphone: () => media.want_microphone(),
    retry_microphone: () => void media.microphone.retry(),
    play: () => media.play(),
  };
}
