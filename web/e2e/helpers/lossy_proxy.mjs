// A UDP proxy between browsers and a relay that drops RTP and RTCP packets at random.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** RTP and RTCP have a first byte of 128 to 191 (RFC 9443); STUN and DTLS pass. */
const is_media = (datagram) => datagram[0] >= 128 && datagram[0] <= 191;

export class LossyProxy {
  #sockets = new Map();
  #state = 2026;
  passed = 0;
  dropped = 0;

  /** Listens on a free port and forwards to `relay`, a function that returns its port. */
  static async make(relay, loss) {
    const lossy = new LossyProxy();
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
    let upstream = this.#sockets.get(key);
    if (!upstream) {
      upstream = createSocket('udp4').bind(0, '127.0.0.1');
      upstream.on('message', (back) => this.#passes(back) && this.socket.send(back, from.port, from.address));
      this.#sockets.set(key, upstream);
    }
    if (this.#passes(datagram)) upstream.send(datagram, this.relay(), '127.0.0.1');
  }

  /** Drops by a seeded generator: the same in every run. */
  #passes(datagram) {
    if (!is_media(datagram)) return true;
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    const lost = this.#state / 2 ** 32 < this.loss;
    if (lost) this.dropped++;
    else this.passed++;
    return !lost;
  }

  close() {
    this.socket.close();
    for (const socket of this.#sockets.values()) socket.close();
  }
}
