// What roles may do, for what a screen shows. The rules are the server's and the engine's (docs/policy.md); a test compares these
// with them.
import type { Role } from './contract';

/** Whether people of this role are heard in calls; the others join calls as listeners. */
export const speaks = (role: Role): boolean => role === 'principal' || role === 'counterpart';

/** Whether people of this role see every call while it takes place, and may join it as a visible listener. */
export const listens = (role: Role): boolean => role === 'duty_officer' || role === 'note_taker';

/** Whether people of this role see the devices of the whole office, and the invitations to enrol others. */
export const sees_all_devices = (role: Role): boolean => role === 'security_officer';

/** Whether people of this role see the office's alerts. */
export const sees_alerts = (role: Role): boolean => role === 'security_officer';

/** Whether devices of this role transcribe calls and seal their records. */
export const writes_records = (role: Role): boolean => role === 'note_taker';
