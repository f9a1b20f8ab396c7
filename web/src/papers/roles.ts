// What roles may do with the papers of calls, for what a screen shows: a test compares it with the table of documents, which
// servers and devices use.

import type { Role } from '../engine/contract';

/** The desk and the principal whom it works for. */
export const DESK: readonly Role[] = ['principal', 'scheduler', 'duty_officer'];

export const writes_notes = (role: Role): boolean =>
  DESK.includes(role) || role === 'note_taker' || role === 'interpreter';
export const writes_debriefs = (role: Role): boolean => DESK.includes(role);
export const approves_debriefs = (role: Role): boolean => role === 'principal';
export const drafts_memoranda = (role: Role): boolean => DESK.includes(role) || role === 'note_taker';
export const reviews_memoranda = (role: Role): boolean => DESK.includes(role);
export const approves_memoranda = (role: Role): boolean => role === 'principal' || role === 'scheduler';
export const writes_briefs = (role: Role): boolean => DESK.includes(role);
export const approves_briefs = (role: Role): boolean => role === 'principal' || role === 'scheduler';
export const approves_readouts = (role: Role): boolean => role === 'principal';
export const publishes_readouts = (role: Role): boolean => role === 'principal' || role === 'scheduler';
export const circulates = (role: Role): boolean => DESK.includes(role) || role === 'records_officer';
export const destroys_memoranda = (role: Role): boolean =>
  role === 'principal' || role === 'scheduler' || role === 'records_officer';
