// The arguments and answers of the module of papers about requests and schedules: JSON of these.

import type { DocumentState, Role } from '../engine/contract';
import type { ExchangeKind, Schedule, Request, Slot, Verdict } from './contents';
import { papers } from '.';
import { new_item } from './identifiers';

export type RequestStep =
  | { step: 'decide'; verdict: Verdict; reason: string }
  | { step: 'say'; kind: ExchangeKind; text: string }
  | { step: 'called_back'; call: string; confirmed: boolean }
  | { step: 'close' };

export type ScheduleStep =
  | { step: 'offer'; slots: Slot[] }
  | { step: 'pick'; choice: number }
  | { step: 'pick_for_them'; choice: number }
  | { step: 'confirm' }
  | { step: 'cancel' };

/** What the statements of a document's versions prove. */
export interface Known {
  first: Role;
  state: DocumentState;
}

export interface By {
  person: string;
  role: Role;
  at_ms: number;
  id: string;
}

export type Stands = 'waiting' | 'asked' | 'not_now' | 'office_calls' | 'approved' | 'declined' | 'closed';
export type Conflict = 'free' | 'unsure' | 'busy';

export interface Next<T> {
  content: T;
  state: DocumentState;
}

const json = JSON.stringify;

export const request_step = async (request: Request, step: RequestStep, known: Known, by: By): Promise<Next<Request>> =>
  JSON.parse((await papers()).request_step(json(request), json(step), json(known), json(by))) as Next<Request>;

export const request_stands = async (request: Request, known: Known): Promise<{ stands: Stands; is_proven: boolean }> =>
  JSON.parse((await papers()).request_stands(json(request), json(known))) as { stands: Stands; is_proven: boolean };

export const new_schedule = async (
  title: string,
  places: Schedule['places'],
  step: ScheduleStep,
  by: By,
): Promise<Next<Schedule>> =>
  JSON.parse((await papers()).new_schedule(new_item(), title, json(places), json(step), json(by))) as Next<Schedule>;

export const schedule_step = async (
  schedule: Schedule,
  step: ScheduleStep,
  state: DocumentState,
  by: By,
): Promise<Next<Schedule>> =>
  JSON.parse((await papers()).schedule_step(json(schedule), json(step), json(state), json(by))) as Next<Schedule>;

export const conflicts = async (
  calendar: string,
  slots: Slot[],
  zone: string,
): Promise<{ conflicts: Conflict[]; not_understood: number }> =>
  JSON.parse((await papers()).calendar_conflicts(new TextEncoder().encode(calendar), json(slots), zone)) as {
    conflicts: Conflict[];
    not_understood: number;
  };
