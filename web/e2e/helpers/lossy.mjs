// A network that loses packets, between browsers and a relay: a UDP port that passes on what comes, and drops sound and reports of it.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** RTP and RTCP have a first byte of 128 to 191 (RFC 9443); what sets a connection up is let through. */
const is_sound = (datagram) => datagram[0] >= 128 && datagram[0] <= 191;

export class Lossy {
  #ways = new Map();
  #state = 2026;
  passed = 0;
  dropped = 0;

  /** Listens at a port of its own and passes on to `relay` (a function that gives its port). */
  static async make(relay, loss) {
    const lossy = new Lossy();
    lossy.relay = relay;
    lossy.loss = loss;
    lossy.socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(lossy.socket, 'listening');
    lossy.port = lossy.socket.address().port;
    lossy.socket.on('message', (datagram, from) => lossy.#out(datagram, from));
    return lossy;
  }

  #out(datagram, from) {
    const key = `${from.address}:${from.port}`;
    let way = this.#ways.get(key);
    if (!way) {
      way = createSocket('udp4').bind(0, '127.0.0.1');
      way.on('message', (back) => this.#passes(back) && this.socket.send(back, from.port, from.address));
      this.#ways.set(key, way);
    }
    if (this.#passes(datagram)) way.send(datagram, this.relay(), '127.0.0.1');
  }

  /** The same luck in every run. */
  #passes(datagram) {
    if (!is_sound(datagram)) return true;
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    const lost = this.#state / 2 ** 32 < this.loss;
    if (lost) this.dropped++;
    else this.passed++;
    return !lost;
  }

  close() {
    this.socket.close();
    for (const way of this.#ways.values()) way.close();
  }
}
