// An office of real programs (`telcon init`, `serve`, `note`) in a temporary folder.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TELCON = process.env.TELCON_BIN;
const WEB = process.env.TELCON_WEB;
const MODEL = process.env.TELCON_ASR_MODEL;

export async function free_port() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Runs a command on a record or an archive. Without a speech model every record lacks its transcript: exit code 3. */
async function intact(args) {
  try {
    return (await run(TELCON, args)).stdout;
  } catch (error) {
    if (MODEL || error.code !== 3) throw error;
    return error.stdout;
  }
}

export class Office {
  #children = new Set();

  /** @param {{ suite?: 'hybrid' | 'cnsa2', media?: string, media_addr?: string, turn?: string[], two_registrars?: boolean, rings?: 'roles' | 'lines', serve?: string[] }} [options] `serve`: more arguments of `telcon serve` */
  static async make({
    suite = 'hybrid',
    media = '127.0.0.1:0',
    media_addr,
    turn = [],
    two_registrars = false,
    rings = 'roles',
    serve = [],
  } = {}) {
    if (!TELCON || !WEB) throw new Error('TELCON_BIN and TELCON_WEB are not set: run this by `cargo xtask e2e`');
    const office = new Office();
    office.media = ['--media', media, ...(media_addr ? ['--media-addr', media_addr] : []), ...turn];
    office.arguments = serve;
    office.dir = await mkdtemp(join(tmpdir(), 'telcon-e2e-'));
    const init = ['init', '--data', office.dir, '--domain', 'office.example', '--name', 'Office of the President'];
    const terms = ['--record-mode', 'audio', ...(two_registrars ? ['--two-registrars'] : [])];
    if (rings === 'lines') terms.push('--rings', rings);
    await run(TELCON, [...init, '--suite', suite, ...terms, '--no-passphrase']);
    office.port = await free_port();
    office.origin = `http://localhost:${office.port}`;
    await office.serve();
    return office;
  }

  /** Starts a command and waits for the stderr line that says it is ready. */
  async #start(args, ready) {
    const child = spawn(TELCON, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.lines = [];
    await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(new Error(`telcon ${args[0]} ended with ${code}: ${child.lines.join('\n')}`)),
      );
      createInterface({ input: child.stderr }).on('line', (line) => {
        child.lines.push(line);
        if (line.includes(ready)) resolve();
      });
    });
    return child;
  }

  async serve() {
    const listen = ['--listen', `127.0.0.1:${this.port}`, '--admin-listen', '127.0.0.1:0'];
    const at = [...listen, ...this.media, ...this.arguments, '--web', WEB];
    this.server = await this.#start(['serve', '--data', join(this.dir, 'server'), ...at], 'ready at');
  }

  /** Kills the server without a chance to clean up, like a power cut. */
  async kill_server() {
    const gone = once(this.server, 'exit');
    this.server.kill('SIGKILL');
    await gone;
  }

  /** An enrolment link. */
  async invite(name, role, zone = 'Europe/Oslo') {
    const who = ['--name', name, '--organisation', 'Office of the President', '--role', role, '--zone', zone];
    const { stdout } = await run(TELCON, ['invite', '--data', this.dir, '--server', this.origin, ...who]);
    return stdout.trim();
  }

  /** An enrolment link for a further device of a person. */
  async invite_again(person, name, role, zone = 'Europe/Oslo') {
    const who = ['--name', name, '--organisation', 'Office of the President', '--role', role, '--zone', zone];
    const at = ['--data', this.dir, '--server', this.origin, '--person', person];
    const { stdout } = await run(TELCON, ['invite', ...at, ...who]);
    return stdout.trim();
  }

  /** What the custodian says of the lines of a day, YYYY-MM-DD in UTC. */
  async lines_on(day) {
    const identity = join(this.dir, 'custodian/identity.txt');
    const question = ['archive', 'lines', join(this.dir, 'server/archive'), '--on', day, '--identity', identity];
    const { stdout } = await run(TELCON, [...question, '--json']);
    return JSON.parse(stdout);
  }

  /** Enrols a native device of a new person: each enrolment is an alert. */
  async enrol_device(name, role = 'principal') {
    await run(TELCON, ['enrol', '--device', join(this.dir, `${name}.json`), await this.invite(name, role)]);
  }

  /** Appoints a security officer's device as a registrar, by the request that it saved. */
  async appoint(request) {
    const { stdout } = await run(TELCON, ['appoint', '--data', this.dir, '--server', this.origin, request]);
    return stdout.trim();
  }

  async start_note_taker() {
    const link = await this.invite('Note-taker', 'note-taker');
    const device = join(this.dir, 'note-taker.json');
    await run(TELCON, ['enrol', '--device', device, link]);
    const model = MODEL ? ['--asr-model', MODEL] : [];
    const paths = ['--spool', join(this.dir, 'spool'), '--custodians', join(this.dir, 'custodians.txt')];
    this.notes = await this.#start(
      ['note', '--device', device, '--server', this.origin, ...paths, ...model],
      'waits for calls',
    );
  }

  /** Waits for a record in the archive, opens it with the custodian's key, and returns its folder. */
  async record() {
    const records = join(this.dir, 'server/archive/records');
    const listed = () => this.notes.lines.some((line) => line.includes('is in the archive'));
    while (!listed()) await once(this.notes.stderr, 'data');
    const [call] = await readdir(records);
    const out = join(this.dir, 'opened');
    const identity = join(this.dir, 'custodian/identity.txt');
    await intact(['archive', 'open', '--identity', identity, join(records, call), '--out', out]);
    return out;
  }

  /** What `telcon archive verify` prints; throws when it finds anything wrong. */
  async verify() {
    return intact(['archive', 'verify', join(this.dir, 'server/archive')]);
  }

  async close() {
    const gone = [...this.#children].map((child) => {
      child.kill('SIGKILL');
      return once(child, 'exit');
    });
    await Promise.all(gone);
    await rm(this.dir, { recursive: true, force: true });
  }
}
