// The worker that owns the engine, the connection to the office and the media transforms. Keys never leave it.

import init, { EnteredCode, Telcon } from 'telcon-wasm';
import { AskingDevice } from './asking';
import type { Card, ErasureReport, PageAsking, RevocationView } from './contract';
import { DocumentWork, type DocumentRequest } from './documents';
import { Driver } from './driver';
import { enrol, office_info, type Fetch } from './enrol';
import { link_of_code } from './entered_code';
import { frame_transform } from './frame_transform';
import { indexed_storage } from './key_storage';
import { KeyStore } from './key_store';
import type { FromWorker, ToWorker, TransformOptions } from './messages';
import { MediaKeepAlive } from './media_keepalive';
import { ORDER_INTERVAL_MS, read_revocation, report_erasure } from './orders';
import { is_problem, problem_of, type Problem } from './problem';
import { ProtectionWorker, type Protected } from './protection';
import { lockers_over_http } from './protection_office';
import { writes_records } from './roles';
import { Socket } from './socket';

declare const self: DedicatedWorkerGlobalScope;

const SEED_BYTES = 32;
/** How long one request of a device that asks may take, milliseconds: a hanging server must not stop it. */
const ASK_TIMEOUT_MS = 10_000;
/** The same for a step of a code: the server waits up to ten seconds for the device that shows it. */
const CODE_TIMEOUT_MS = 15_000;
/** The same for a document: four megabytes over a slow connection. */
const DOCUMENT_TIMEOUT_MS = 60_000;
const key_store = new KeyStore();
let driver: Driver | undefined;
let socket: Socket | undefined;
/** Set while this device is not enrolled and waits for a registrar. */
let asking: AskingDevice | undefined;
/** The ticket of the last unlocking. It is not stored. */
let ticket: string | undefined;
/** This device's identifier, once it is known. */
let device = '';
/** What this device verifies revocations with while it is not signed in. */
let anchor: string | undefined;
/** Runs on a revoked device. */
let orders: ReturnType<typeof setInterval> | undefined;
let frame_decrypted = false;
/** A call is live and another speaker is in it: media must arrive. */
let media_expected = false;
const keepalive = new MediaKeepAlive();

function post(message: FromWorker): void {
  if (message.type === 'view') {
    const { call, you } = message.view;
    if (you) device = you.device;
    if (message.view.phase === 'revoked') await_order();
    media_expected = call?.state === 'live' && call.members.some((m) => !m.you && m.speaks);
  }
  // Each leg reports its first decrypted frame.
  if (message.type === 'open_leg') frame_decrypted = false;
  self.postMessage(message);
}

/** Milliseconds since 1970 UTC with fractions, on the same time base as the page's. */
const now = () => performance.timeOrigin + performance.now();
const seed = () => crypto.getRandomValues(new Uint8Array(SEED_BYTES));

function set_timer(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

function start(state: string): void {
  const running = new Driver(new Telcon(state, seed(), Date.now()), {
    now: () => Date.now(),
    monotonic_ms: () => performance.now(),
    send: (text) => socket?.send(text),
    save: (state) => key_store.save(state),
    erase: () => key_store.erase(),
    report_erasure: (report) => void report_erasure(report),
    post,
    set_timer,
    reconnect: () => socket?.reconnect(),
    stop: () => socket?.stop(),
  });
  driver = running;
  anchor = Telcon.anchor(state);
  // A later start may be locked: then it can still verify that it was revoked.
  void key_store.keep_anchor(anchor).catch((error: unknown) => console.error('anchor', error));
  if (ticket) running.set_ticket(ticket);
  const address = new URL('/ws', self.location.origin);
  address.protocol = address.protocol.replace('http', 'ws');
  socket = new Socket(address.href, {
    opened: () => running.connected(),
    closed: () => running.disconnected(),
    received: (text) => running.received(text),
  });
  running.tick();
  setInterval(() => {
    const changed = keepalive.check(now(), media_expected && !running.stopped);
    if (changed !== undefined) post({ type: 'media_timed_out', timed_out: changed });
  }, 500);
}

/** A revoked device leaves the office alone, but for asking from time to time whether it is to erase itself. */
function await_order(): void {
  if (orders !== undefined) return;
  socket?.stop();
  orders = setInterval(async () => {
    if (!driver || driver.stopped || anchor === undefined) return clearInterval(orders);
    const jws = await read_revocation(Telcon.order_request(anchor));
    // The engine verifies it, as what comes over the connection.
    if (jws !== undefined) driver.received(JSON.stringify({ type: 'revoked', jws }));
  }, ORDER_INTERVAL_MS);
}

/** Whether this locked device is revoked. If it is ordered to erase itself, it is erased when this resolves. */
async function locked_revocation(): Promise<RevocationView | undefined> {
  const kept = await key_store.anchor();
  return kept === undefined ? undefined : carried_out(kept);
}

/** The revocation of a device that does not sign in, if there is one: carried out. `state`: it is not locked, and reports its erasure. */
async function carried_out(kept: string, state?: string): Promise<RevocationView | undefined> {
  const statement = await read_revocation(Telcon.order_request(kept));
  const verified = statement === undefined ? undefined : Telcon.revocation(kept, statement);
  if (statement === undefined || verified === undefined) return undefined;
  const revocation = JSON.parse(verified) as RevocationView;
  if (!revocation.erase) return revocation;
  // Signed while there is a key.
  const report = state === undefined ? undefined : Telcon.erasure_report(state, statement, Date.now());
  await key_store.erase();
  if (report !== undefined) void report_erasure(JSON.parse(report) as ErasureReport);
  return revocation;
}

/** Starts a stored device. One that cannot start, because its certificate has expired, is told of orders all the same. */
function start_stored(state: string): void {
  try {
    start(state);
  } catch (error) {
    void carried_out(Telcon.anchor(state), state).then(told_of_revocation, (error: unknown) =>
      console.error('revocation', error),
    );
    throw error;
  }
}

function told_of_revocation(revocation: RevocationView | undefined): void {
  if (revocation) post({ type: 'revoked', revocation });
}

function decrypt(frame: Uint8Array): Uint8Array | undefined {
  const opened = driver?.open(frame);
  if (opened) keepalive.received(now());
  if (opened && !frame_decrypted) {
    frame_decrypted = true;
    post({ type: 'first_frame_decrypted', at_ms: now() });
  }
  return opened;
}

self.onrtctransform = ({ transformer }) => {
  const { side } = transformer.options as TransformOptions;
  const stream = side === 'send' ? frame_transform((frame) => driver?.seal(frame)) : frame_transform(decrypt);
  // The stream ends with the leg; an error at that point is the closing itself.
  transformer.readable
    .pipeThrough(stream)
    .pipeTo(transformer.writable)
    .catch(() => undefined);
};

const limited =
  (ms: number): Fetch =>
  (path, init) =>
    fetch(path, { ...init, signal: AbortSignal.timeout(ms) });

function asking_device(): AskingDevice {
  return new AskingDevice({
    fetch: limited(ASK_TIMEOUT_MS),
    set_timer,
    save: (state) => key_store.save(state),
    erase: () => key_store.erase(),
    async complete(asked, chain) {
      await save_enrolled(Telcon.complete(asked, JSON.stringify(chain), Date.now()));
    },
    show(shown) {
      // Nothing is stored that a further link must not replace.
      if (shown.status === 'over') asking = undefined;
      post({ type: 'asking', asking: shown });
    },
  });
}

/** Stores a new device and starts it. */
async function save_enrolled(state: string): Promise<void> {
  try {
    await key_store.save(state);
  } catch {
    throw { code: 'keys_not_saved' } satisfies Problem;
  }
  start(state);
  asking = undefined;
  post({ type: 'protectors', device, how: how_protected() });
  post({ type: 'enrolled' });
}

const how_protected = (): Protected => ({
  protectors: key_store.protectors,
  begun: key_store.begun_pins.length > 0,
});

const protection = new ProtectionWorker({
  store: key_store,
  office: lockers_over_http,
  stretch: (pin, salt) => Telcon.stretch_pin(pin, salt),
  device: () => device,
  now_ms: () => Date.now(),
  set_ticket(issued) {
    ticket = issued;
    driver?.set_ticket(issued);
  },
  async start() {
    const state = await key_store.load();
    if (state === undefined) throw { code: 'not_enrolled' } satisfies Problem;
    if (driver) {
      socket?.reconnect();
      socket?.connect_now();
    } else start(state);
    // The page offers a protection to a device that has none.
    post({ type: 'protectors', device, how: how_protected() });
    post({ type: 'ready', enrolled: true, asking: false });
  },
});

const started = init().then(async () => {
  const stored = await key_store.open();
  if (stored.status === 'locked') {
    device = stored.device;
    post({ type: 'protectors', device, how: how_protected() });
    post({ type: 'locked' });
    // Not awaited: a person unlocks a device that is not revoked without waiting for the office.
    void locked_revocation().then(told_of_revocation, (error: unknown) => console.error('revocation', error));
    return;
  }
  const state = await key_store.load();
  const waits = state !== undefined && Telcon.is_asking(state);
  if (state !== undefined && !waits) start_stored(state);
  post({ type: 'protectors', device, how: how_protected() });
  post({ type: 'ready', enrolled: driver !== undefined, asking: waits });
  if (!waits) return;
  asking = asking_device();
  void asking.resume(JSON.parse(Telcon.asking(state)) as PageAsking);
});
started.catch((error: unknown) => {
  console.error('start', error);
  // An error of the browser or the engine is worded for programmers.
  post({ type: 'failed', problem: is_problem(error) ? error : { code: 'start_failed' } });
});

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  // Also where it did not start.
  if (data.type === 'erase') return post(await erase(data.id));
  await started;
  switch (data.type) {
    case 'command':
      return driver?.command(data.command);
    case 'connect_now':
      void asking?.ask_now();
      return socket?.connect_now();
    case 'open_link':
      return open_link(data.fragment, data.label);
    case 'enter_code':
      return enter_code(data.typed, data.label);
    case 'stop_asking':
      if (!(await asking?.stop())) return;
      asking = undefined;
      return post({ type: 'asking_stopped' });
    case 'enrol':
      if (driver || asking) return;
      try {
        const state = await enrol(data.fragment, (fragment, info) => Telcon.enrol(fragment, info, seed(), Date.now()));
        return await save_enrolled(state);
      } catch (error) {
        return post({ type: 'enrol_failed', problem: problem_of(error) });
      }
    case 'protection': {
      const { id } = data;
      try {
        const proof = await protection.handle(data.request);
        return post({ type: 'protection', id, how: how_protected(), proof, problem: null });
      } catch (error) {
        return post({ type: 'protection', id, how: how_protected(), proof: null, problem: problem_of(error) });
      }
    }
    case 'documents':
      return post(await about_documents(data.id, data.request, data.token));
    case 'check_record':
      return post(check(data.id, data.proof));
    case 'request_appointment':
      return post(request_appointment(data.id));
  }
};

/** Nothing may save the state again: what runs is stopped first. */
async function erase(id: number): Promise<FromWorker> {
  await started.catch(() => undefined);
  socket?.stop();
  try {
    if (driver) await driver.stop();
    await key_store.erase();
    return { type: 'erased_here', id, problem: null };
  } catch (error) {
    console.error('erase', error);
    return { type: 'erased_here', id, problem: { code: 'not_erased' } };
  }
}

/** A registrar's link is used at once: nothing else may use it up before. The authority's waits for a press. */
async function open_link(fragment: string, label: string): Promise<void> {
  if (driver || asking) return;
  if (!Telcon.is_ask(fragment)) return post(await read_link(fragment));
  asking = asking_device();
  await asking.start((info) => Telcon.ask(fragment, info, label, seed(), Date.now()));
}

/** What a code carries is used at once, as a link is that was opened. */
async function enter_code(typed: string, label: string): Promise<void> {
  if (driver || asking) return;
  try {
    const make = (info: string) => new EnteredCode(typed, info, seed());
    const fragment = await link_of_code(make, limited(CODE_TIMEOUT_MS));
    await open_link(fragment, label);
  } catch (error) {
    const problem = problem_of(error);
    // There is no link that would stay valid.
    const unreachable = 'code' in problem && problem.code === 'no_answer';
    post({ type: 'code_refused', problem: unreachable ? { code: 'office_unreachable' } : problem });
  }
}

async function read_link(fragment: string): Promise<FromWorker> {
  let office: string | null = null;
  try {
    const info = await office_info();
    office = (JSON.parse(info) as { name: string }).name;
    const person = JSON.parse(Telcon.read_invitation(fragment, info)) as Card;
    if (writes_records(person.role)) throw { code: 'note_taker_link' } satisfies Problem;
    // Its certificate says until when it can be used. This device is not kept: it shows only whether one can be made.
    Telcon.enrol(fragment, info, seed(), Date.now());
    return { type: 'link_read', person, office, problem: null };
  } catch (error) {
    return { type: 'link_read', person: null, office, problem: problem_of(error) };
  }
}

function check(id: number, proof: string): FromWorker {
  try {
    if (!driver) throw { code: 'not_enrolled' } satisfies Problem;
    return { type: 'record_checked', id, report: driver.check(proof), problem: null };
  } catch (error) {
    return { type: 'record_checked', id, report: null, problem: problem_of(error) };
  }
}

const documents = new DocumentWork(
  (work) => {
    if (!driver) throw { code: 'not_enrolled' } satisfies Problem;
    return driver.in_engine(work);
  },
  limited(DOCUMENT_TIMEOUT_MS),
  indexed_storage(),
);

async function about_documents(id: number, request: DocumentRequest, token: string): Promise<FromWorker> {
  try {
    return { type: 'documents', id, answer: await documents.handle(request, token), problem: null };
  } catch (error) {
    return { type: 'documents', id, answer: null, problem: problem_of(error) };
  }
}

function request_appointment(id: number): FromWorker {
  try {
    if (!driver) throw { code: 'not_enrolled' } satisfies Problem;
    return { type: 'appointment_requested', id, text: driver.appointment_request(), problem: null };
  } catch (error) {
    return { type: 'appointment_requested', id, text: null, problem: problem_of(error) };
  }
}
