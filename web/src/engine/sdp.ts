// What a media description must and must not say, whoever wrote it.

/** Whether an answer is to this offer, by the session id that the relay repeats; one that names none is. */
export function answers(answer: string, offer: string): boolean {
  const named = /^a=x-telcon-offer:(\S+)/m.exec(answer)?.[1];
  return named === undefined || named === /^o=\S+ (\S+)/m.exec(offer)?.[1];
}

/** Opus in constant size: variable packets give away speech even when they are encrypted (RFC 7587, section 6.1). */
const CONSTANT = { cbr: '1', usedtx: '0', useinbandfec: '1', stereo: '0', 'sprop-stereo': '0', maxaveragebitrate: '32000' };

/** Header extensions that tell the relay who speaks (RFC 6464, RFC 6465). */
const LEVELS = ['urn:ietf:params:rtp-hdrext:ssrc-audio-level', 'urn:ietf:params:rtp-hdrext:csrc-audio-level'];

/** Whether a description is of nothing but Opus: other codecs, and comfort noise, have packets whose sizes give away speech. */
export function only_opus(sdp: string): boolean {
  const all = lines(sdp);
  const opus = new Set(all.flatMap((line) => /^a=rtpmap:(\d+) opus\/48000/i.exec(line)?.[1] ?? []));
  const media = all.filter((line) => line.startsWith('m='));
  return media.length > 0 && media.every((line) => line.split(' ').slice(3).every((type) => opus.has(type)));
}

/** The description without audio-level extensions. Neither side uses what is not in both descriptions. */
export function without_levels(sdp: string): string {
  return lines(sdp)
    .filter((line) => !(line.startsWith('a=extmap:') && LEVELS.some((level) => line.includes(level))))
    .map((line) => `${line}\r\n`)
    .join('');
}

/** The description with Opus asked for at constant size, without silence suppression, with forward error correction. */
export function constant_rate(sdp: string): string {
  const all = lines(sdp);
  const opus = new Set(all.flatMap((line) => /^a=rtpmap:(\d+) opus\/48000/i.exec(line)?.[1] ?? []));
  const with_parameters = new Set(all.flatMap((line) => /^a=fmtp:(\d+) /.exec(line)?.[1] ?? []));
  return all
    .flatMap((line) => {
      const fmtp = /^a=fmtp:(\d+) (.*)$/.exec(line);
      if (fmtp && opus.has(fmtp[1] ?? '')) return [`a=fmtp:${fmtp[1]} ${parameters(fmtp[2] ?? '')}`];
      const map = /^a=rtpmap:(\d+) opus\//i.exec(line);
      if (map && !with_parameters.has(map[1] ?? '')) return [line, `a=fmtp:${map[1]} ${parameters('')}`];
      return [line];
    })
    .map((line) => `${line}\r\n`)
    .join('');
}

function parameters(text: string): string {
  const kept = text
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair && !Object.hasOwn(CONSTANT, pair.split('=')[0] ?? ''));
  return [...kept, ...Object.entries(CONSTANT).map(([name, value]) => `${name}=${value}`)].join(';');
}

function lines(sdp: string): string[] {
  return sdp.split(/\r?\n/).filter((line) => line !== '');
}
