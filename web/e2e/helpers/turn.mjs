// A TURN server: Debian's coturn over TLS, with a self-signed certificate.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { free_port } from './office.mjs';

const run = promisify(execFile);

/** Starts coturn in `folder` with the shared `secret`; returns its URL and a function that stops it. */
export async function turn_server(folder, secret) {
  const [certificate, key] = [join(folder, 'turn.crt'), join(folder, 'turn.key')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await run('openssl', [
    ...request,
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  const [plain, port] = [await free_port(), await free_port()];
  const child = spawn('turnserver', [
    '-n',
    '--no-udp',
    '--no-dtls',
    '--no-cli',
    '--no-multicast-peers',
    '--allow-loopback-peers',
    '--simple-log',
    '--log-file',
    'stdout',
    '--pidfile',
    join(folder, 'turn.pid'),
    '--userdb',
    join(folder, 'turn.db'),
    '--listening-ip',
    '127.0.0.1',
    '--relay-ip',
    '127.0.0.1',
    '--listening-port',
    `${plain}`,
    '--tls-listening-port',
    `${port}`,
    '--cert',
    certificate,
    '--pkey',
    key,
    '--realm',
    'office.example',
    '--use-auth-secret',
    '--static-auth-secret',
    secret,
  ]);
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const ended = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`turnserver ended with ${code}: ${lines.join('\n')}`)));
  });
  // coturn does not report when its TLS port is open.
  await Promise.race([ended, opened(port)]);
  ended.catch(() => {});
  return {
    url: `turns:localhost:${port}?transport=tcp`,
    async close() {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}

/** Resolves once the port accepts connections. */
async function opened(port) {
  for (;;) {
    const probe = connect(port, '127.0.0.1');
    try {
      await once(probe, 'connect');
      return;
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      probe.destroy();
    }
  }
}
