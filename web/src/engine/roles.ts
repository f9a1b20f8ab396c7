// What roles may do, for what a screen shows. The rules are the server's and the engine's (docs/policy.md); a test compares these
// with them.
import type { Role } from './contract';

/** Whether people of this role are heard in calls; the others join calls as listeners. */
export const speaks = (role: Role): boolean => role === 'principal' || role === 'counterpart';

/** Whether devices of this role transcribe calls and seal their records. */
export const writes_records = (role: Role): boolean => role === 'note_taker';
