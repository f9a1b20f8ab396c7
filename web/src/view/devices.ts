// View models of people's devices: the security officer's screen, and everybody's own.

import type { Card, InvitationView, ListedDevice, RecoveryView, Role, View } from '../engine/contract';
import { writes_records } from '../engine/roles';
import { LINK_PREFIX } from '../link';
import { t } from '../text';
import { format_number } from '../text/format';
import { told, told_name } from '../text/told';
import { date_time } from './clock';
import { on_shift_elsewhere } from './shift';

/** A device in a list. */
export interface DeviceRow {
  device: string;
  /** What it said it was when it was enrolled; else when that was. */
  title: string;
  /** When it was enrolled, unless the title says so, by whom or with what, when it was last connected, and when it was revoked. */
  details: string[];
  connected: boolean;
  state: string;
  revoked: boolean;
  registrar: boolean;
  /** It is this one. */
  here: boolean;
  can_revoke: boolean;
  /** It is revoked, and can be ordered to erase itself. */
  can_erase: boolean;
}

export interface PersonDevices {
  card: Card;
  where: string;
  rows: DeviceRow[];
  /** A further device can be enrolled from here. */
  can_add: boolean;
  /** A recovery can be opened from here: the person is somebody else, and none is open. */
  can_recover: boolean;
  /** The account at the office's provider that can be forgotten from here. */
  account: string | null;
}

/** A recovery that is not over. */
export interface RecoveryCard {
  recovery: string;
  name: string;
  where: string;
  /** Who opened it and why, verified. */
  opened: string | null;
  /** What is due, or what was done; `null` where that is to confirm it from here, or nothing. */
  state: string | null;
  /** How to make sure, before it is confirmed. */
  check: string | null;
  /** How many devices are revoked with it. */
  devices: string | null;
  problem: string | null;
  until: string;
  can_confirm: boolean;
  can_close: boolean;
  /** This person opened it: ending it withdraws it. */
  own: boolean;
}

/** A device that asks. */
export interface RequestCard {
  invitation: string;
  name: string;
  where: string;
  /** What it says it is; empty if that is not known. */
  claim: string;
  /** `null` if the request does not verify, or was not made here. */
  code: string | null;
  /** Why it must not be approved. */
  problem: string | null;
  /** Why this device cannot answer it, without anything being wrong. */
  elsewhere: string | null;
  /** Where two have to approve: who has approved. */
  first: string | null;
  opened_again: string | null;
  until: string;
  can_approve: boolean;
  /** It was approved from here: what is still missing is somebody else's approval. */
  approved: boolean;
  can_refuse: boolean;
  answered: boolean;
}

export interface InvitationRow {
  invitation: string;
  name: string;
  where: string;
  until: string;
  elsewhere: string | null;
  can_show: boolean;
  can_withdraw: boolean;
  answered: boolean;
}

export interface DevicesScreen {
  /** Role and office of the person. */
  who: string;
  can_invite: boolean;
  /** This device is not a registrar, and the office has said all that it has to say. */
  unappointed: boolean;
  offline: string | null;
  /** The office has sent everything: where nothing is shown, there is nothing. */
  known: boolean;
  requests: RequestCard[];
  invitations: InvitationRow[];
  recoveries: RecoveryCard[];
  /** There is one registrar only: nobody could confirm a recovery. */
  alone: boolean;
  people: PersonDevices[];
}

export function devices_screen(
  view: View,
  devices: ListedDevice[],
  answered: ReadonlySet<string>,
  local_zone: string,
): DevicesScreen {
  const texts = t().devices;
  const ready = view.phase === 'ready';
  const context = { can_answer: ready && view.registrar !== null, answered, local_zone };
  const [waiting, open] = [true, false].map((asks) =>
    view.invitations.filter((one) => (one.request !== null) === asks && one.line === null),
  );
  return {
    who: [view.office?.name, view.you && texts.roles[view.you.role]].filter(Boolean).join(' · '),
    can_invite: context.can_answer,
    unappointed: ready && view.caught_up && view.registrar === null,
    offline: view.phase === 'offline' ? texts.offline : null,
    known: view.caught_up,
    // The one whose time is up first comes first.
    requests: [...(waiting ?? [])].sort((a, b) => a.expires_ms - b.expires_ms).map((one) => request_card(one, context)),
    invitations: (open ?? []).map((one) => invitation_row(one, context)),
    recoveries: view.recoveries.map((one) => recovery_card(one, context)),
    alone: is_alone(devices),
    people: by_person(view, devices, local_zone, context.can_answer),
  };
}

function recovery_state(one: RecoveryView): string | null {
  const texts = t().devices.recovery;
  if (one.problem !== null || one.can_confirm) return null;
  if (one.confirmed_by !== null) return texts.confirmed_by(one.confirmed_by.name);
  return one.own ? texts.waits : texts.own_device;
}

/** Whether the registrars that can act are of one person. */
function is_alone(devices: ListedDevice[]): boolean {
  const able = devices.filter((device) => device.registrar && device.revoked_ms === undefined);
  return new Set(able.map((device) => device.card.person)).size < 2;
}

function recovery_card(one: RecoveryView, { can_answer, local_zone }: Context): RecoveryCard {
  const texts = t().devices.recovery;
  const reason = one.reason === null ? '' : texts.reasons[one.reason];
  const waits = one.confirmed_by === null;
  const count = one.devices.length;
  return {
    recovery: one.recovery,
    name: one.card.name,
    where: where(one.card),
    opened: one.by === null ? null : one.own ? texts.own(reason) : texts.opened_by(one.by.name, reason),
    state: recovery_state(one),
    check: one.can_confirm ? texts.check(one.card.name) : null,
    devices: waits && one.problem === null ? texts.devices(count, format_number(count)) : null,
    problem: one.problem === null ? null : told(one.problem),
    until: texts.until(date_time(one.expires_ms, local_zone) ?? ''),
    can_confirm: can_answer && one.can_confirm,
    can_close: can_answer,
    own: one.own,
  };
}

interface Context {
  can_answer: boolean;
  answered: ReadonlySet<string>;
  local_zone: string;
}

function request_card(one: InvitationView, { can_answer, answered, local_zone }: Context): RequestCard {
  const texts = t().devices;
  const { label = '', code = null, problem = null } = one.request ?? {};
  const times = one.refused_requests;
  const first = one.first_approval;
  // The device that invited verifies what was asked; another person's, what that one has approved.
  const here = one.made_here || (first !== null && !first.own);
  const unverified = problem !== null && (one.made_here || told_name(problem) === 'first_unverified');
  return {
    invitation: one.invitation,
    name: one.card.name,
    where: where(one.card),
    claim: label === '' ? '' : texts.claims(label),
    code: problem === null && here ? code : null,
    problem: unverified ? texts.problem.why(told(problem)) : null,
    elsewhere: one.made_here || first !== null || unverified ? null : elsewhere(one),
    first: first_approval(one),
    opened_again: times > 0 ? texts.opened_again(times, format_number(times)) : null,
    until: texts.answer_until(date_time(one.expires_ms, local_zone) ?? ''),
    can_approve: can_answer && here && problem === null && code !== null,
    approved: first?.own ?? false,
    can_refuse: can_answer,
    answered: answered.has(one.invitation),
  };
}

function elsewhere(one: InvitationView): string {
  const texts = t().devices;
  return one.approvals_needed > 1 ? texts.first_elsewhere : texts.answered_elsewhere;
}

function first_approval(one: InvitationView): string | null {
  const texts = t().devices.first;
  if (one.first_approval !== null) return one.first_approval.own ? texts.own : texts.by(one.first_approval.by.name);
  return one.approvals_needed > 1 && one.made_here ? texts.two : null;
}

function invitation_row(one: InvitationView, { can_answer, answered, local_zone }: Context): InvitationRow {
  const texts = t().devices;
  return {
    invitation: one.invitation,
    name: one.card.name,
    where: where(one.card),
    until: texts.use_until(date_time(one.expires_ms, local_zone) ?? ''),
    elsewhere: one.made_here ? null : texts.made_elsewhere,
    can_show: one.link !== null,
    can_withdraw: can_answer,
    answered: answered.has(one.invitation),
  };
}

function by_person(view: View, devices: ListedDevice[], local_zone: string, can_answer: boolean): PersonDevices[] {
  const people = new Map<string, ListedDevice[]>();
  for (const device of devices) {
    const own = people.get(device.card.person);
    if (own) own.push(device);
    else people.set(device.card.person, [device]);
  }
  const names = names_of(devices);
  return [...people.values()].map((own) => {
    // A person whose devices were revoked may be enrolled under another name: the newest is right.
    const { card } = own.reduce((a, b) => (b.enrolled_ms > a.enrolled_ms ? b : a));
    const may = can_answer && (view.registrar?.roles.includes(card.role) ?? false);
    const rows = device_rows(own, names, view.you?.device ?? null, local_zone);
    // Whoever revoked this device from here could not undo it, nor answer anything any more.
    const revocable = rows.map((row) => ({
      ...row,
      can_revoke: may && !row.revoked && !row.here,
      can_erase: may && row.can_erase,
    }));
    const recovers = view.recoveries.some((one) => one.card.person === card.person);
    const can_recover = may && !recovers && card.person !== view.you?.person;
    const account = own.find((device) => device.account !== undefined)?.account?.subject ?? null;
    // Where they are: the place, or the time zone of where the person works, as certified.
    const place = card.place ? [] : [card.zone];
    return {
      card,
      where: [where(card), ...place].join(' · '),
      rows: revocable,
      can_add: may,
      can_recover,
      account: may ? account : null,
    };
  });
}

/** Whose each device is, by which those are named who approved others. */
const names_of = (devices: ListedDevice[]): ReadonlyMap<string, string> =>
  new Map(devices.map((device) => [device.device, device.card.name]));

/** The devices of one person. Revoked ones come last. */
function device_rows(
  own: ListedDevice[],
  names: ReadonlyMap<string, string>,
  this_device: string | null,
  local_zone: string,
): DeviceRow[] {
  const rank = (device: ListedDevice) => (device.revoked_ms === undefined ? 0 : 1);
  return [...own].sort((a, b) => rank(a) - rank(b)).map((device) => device_row(device, names, this_device, local_zone));
}

/**
 * What a device said it was when it was enrolled. Of one that did not say, what is known: when that was, and that a note-taker is a
 * program.
 */
export function device_title(
  { label, enrolled_ms, role }: { label?: string; enrolled_ms: number; role: Role | undefined },
  local_zone: string,
): string {
  const { devices } = t();
  if (label) return label;
  const time = date_time(enrolled_ms, local_zone) ?? '';
  return role !== undefined && writes_records(role) ? devices.untitled_note_taker(time) : devices.untitled(time);
}

function device_row(
  device: ListedDevice,
  names: ReadonlyMap<string, string>,
  this_device: string | null,
  local_zone: string,
): DeviceRow {
  const { devices } = t();
  const at = (ms: number) => date_time(ms, local_zone) ?? '';
  const revoked = device.revoked_ms !== undefined;
  return {
    device: device.device,
    title: device_title({ ...device, role: device.card.role }, local_zone),
    details: [
      ...(device.label ? [devices.enrolled(at(device.enrolled_ms))] : []),
      ...(device.on_shift ? [on_shift_elsewhere(device.on_shift)] : []),
      approval(device, names),
      ...(device.last_seen_ms === undefined || device.connected ? [] : [devices.last_seen(at(device.last_seen_ms))]),
      ...program_details(device),
      ...account_details(device, at),
      ...(device.revoked_ms === undefined ? [] : [devices.revoked_at(at(device.revoked_ms))]),
      ...erasure(device, at),
    ],
    connected: device.connected && !revoked,
    state: revoked ? devices.revoked : device.connected ? devices.connected : devices.not_connected,
    revoked,
    registrar: device.registrar && !revoked,
    here: device.device === this_device,
    can_revoke: false,
    can_erase: revoked && device.erase_ordered_ms === undefined,
  };
}

/** Whether a device was ordered to erase itself, and has reported that it did. */
function erasure({ erase_ordered_ms, erased_ms }: ListedDevice, at: (ms: number) => string): string[] {
  const { devices } = t();
  if (erased_ms !== undefined) return [devices.erased_at(at(erased_ms))];
  return erase_ordered_ms === undefined ? [] : [devices.to_erase(at(erase_ordered_ms))];
}

/** What the device says of its program. */
const program_details = ({ program }: ListedDevice): string[] =>
  program === undefined ? [] : [t().devices.program(program)];

/** The account at the office's provider with which the device's person signs in. */
function account_details({ account, account_used_ms }: ListedDevice, at: (ms: number) => string): string[] {
  const { sso } = t();
  if (account === undefined) return [];
  return [sso.account(account.subject), ...(account_used_ms === undefined ? [] : [sso.used(at(account_used_ms))])];
}

/** Who approved a device, or that the authority enrolled it. */
function approval(device: ListedDevice, names: ReadonlyMap<string, string>): string {
  const { devices } = t();
  if (device.approved_by === undefined) return devices.by_link;
  const name = names.get(device.approved_by);
  if (device.first_approved_by === undefined) return name ? devices.approved_by(name) : devices.approved;
  const first = names.get(device.first_approved_by);
  return first && name ? devices.approved_by_two(first, name) : devices.approved_twice;
}

/** The devices of this person, this one first. */
export function own_devices(view: View, devices: ListedDevice[], local_zone: string): DeviceRow[] {
  const own = devices.filter((device) => device.card.person === view.you?.person);
  const rows = device_rows(own, names_of(devices), view.you?.device ?? null, local_zone);
  return [...rows.filter((row) => row.here), ...rows.filter((row) => !row.here)];
}

function where(card: Card): string {
  const { devices } = t();
  return [...(card.place ? [devices.place] : []), devices.roles[card.role], card.organisation].join(' · ');
}

/** The link with an invitation's fragment. */
export const invitation_link = (address: string, fragment: string): string => `${address}/${LINK_PREFIX}${fragment}`;
