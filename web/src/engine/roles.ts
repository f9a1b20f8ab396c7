// What roles may do, for what a screen shows. The rules are the server's and the engine's (docs/policy.md); a test compares these
// with them.
import type { Role } from './contract';

/** Whether people of this role are heard in calls; the others join calls as listeners. */
export const speaks = (role: Role): boolean => role === 'principal' || role === 'counterpart';

/** Whether people of this role may join any call as a visible listener. */
export const listens = (role: Role): boolean =>
  role === 'duty_officer' || role === 'note_taker' || role === 'interpreter';

/** Whether people of this role are in calls, as speakers or listeners: the office gives the others nothing for the sound of calls. */
export const joins_calls = (role: Role): boolean => speaks(role) || listens(role);

/** Whether people of this role see every call while it takes place. */
export const watches = (role: Role): boolean => listens(role) || role === 'scheduler';

/** Whether people of this role read what is said in a call that they listen to. */
export const reads_captions = (role: Role): boolean => role === 'duty_officer';

/** Whether people of this role see the records of all calls. Who speaks in calls sees those of their own. */
export const sees_all_records = (role: Role): boolean =>
  role === 'scheduler' ||
  role === 'duty_officer' ||
  role === 'note_taker' ||
  role === 'records_officer' ||
  role === 'auditor';

/** Whether people of this role see the devices of the whole office, and the invitations to enrol others. */
export const sees_all_devices = (role: Role): boolean => role === 'security_officer';

/** Whether people of this role see the office's alerts. */
export const sees_alerts = (role: Role): boolean => role === 'security_officer' || role === 'auditor';

/** Whether people of this role mark alerts as seen. */
export const marks_alerts = (role: Role): boolean => role === 'security_officer';

/** Whether devices of this role transcribe calls and seal their records. */
export const writes_records = (role: Role): boolean => role === 'note_taker';

/** Whether people of this role let others act for them. */
export const delegates = (role: Role): boolean => role === 'principal';

/** Whether people of this role may act for a principal, under a delegation. */
export const acts_for_others = (role: Role): boolean => role === 'duty_officer' || role === 'scheduler';

/** Whether people of this role work in shifts at a device of a place. */
export const works_in_shifts = (role: Role): boolean =>
  role === 'scheduler' || role === 'duty_officer' || role === 'note_taker' || role === 'interpreter';

/** Whether people of this role see all delegations and end them. */
export const ends_delegations = (role: Role): boolean => role === 'security_officer';

/** Whether people of this role have a list of delegations. */
export const sees_delegations = (role: Role): boolean =>
  delegates(role) || acts_for_others(role) || ends_delegations(role);

/** Whether people of this role give lines. */
export const gives_lines = (role: Role): boolean => role === 'principal';

/** Whether people of this role hold lines, and hand them back. */
export const holds_lines = (role: Role): boolean => role === 'counterpart';

/** Whether people of this role see all lines, and freeze or end them. */
export const stops_lines = (role: Role): boolean => role === 'security_officer';

/** Whether people of this role have a list of lines: their own, those of a principal for whom they act, or all. */
export const sees_lines = (role: Role): boolean =>
  gives_lines(role) || holds_lines(role) || stops_lines(role) || acts_for_others(role);

/** Whether people of this role are rung: for themselves, or for a principal whose delegate they are. */
export const is_rung = (role: Role): boolean => speaks(role) || acts_for_others(role);
