// Rules that every session description (SDP) must satisfy, whoever wrote it.

/** Whether an answer belongs to this offer, by the session id that the relay echoes. An answer without one matches. */
export function is_answer_to(answer: string, offer: string): boolean {
  const named = /^a=x-telcon-offer:(\S+)/m.exec(answer)?.[1];
  return named === undefined || named === /^o=\S+ (\S+)/m.exec(offer)?.[1];
}

/** Opus at a constant bitrate: variable packet sizes leak speech even when encrypted (RFC 6562; RFC 7587, section 6.1). */
const CONSTANT_BITRATE = {
  cbr: '1',
  usedtx: '0',
  useinbandfec: '1',
  stereo: '0',
  'sprop-stereo': '0',
  maxaveragebitrate: '32000',
};

/** Header extensions that tell the relay who speaks (RFC 6464, RFC 6465). */
const AUDIO_LEVEL_EXTENSIONS = [
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'urn:ietf:params:rtp-hdrext:csrc-audio-level',
];

/** Whether Opus is the only codec: packet sizes of other codecs and of comfort noise leak speech. */
export function is_opus_only(sdp: string): boolean {
  const all = lines(sdp);
  const opus = new Set(all.flatMap((line) => /^a=rtpmap:(\d+) opus\/48000/i.exec(line)?.[1] ?? []));
  const media = all.filter((line) => line.startsWith('m='));
  return (
    media.length > 0 &&
    media.every((line) =>
      line
        .split(' ')
        .slice(3)
        .every((type) => opus.has(type)),
    )
  );
}

/** Removes audio-level extensions. An extension is used only if both descriptions have it. */
export function strip_audio_levels(sdp: string): string {
  return lines(sdp)
    .filter((line) => !(line.startsWith('a=extmap:') && AUDIO_LEVEL_EXTENSIONS.some((level) => line.includes(level))))
    .map((line) => `${line}\r\n`)
    .join('');
}

/** Asks for Opus at a constant bitrate, without DTX, with forward error correction. */
export function force_constant_bitrate(sdp: string): string {
  const all = lines(sdp);
  const opus = new Set(all.flatMap((line) => /^a=rtpmap:(\d+) opus\/48000/i.exec(line)?.[1] ?? []));
  const with_fmtp = new Set(all.flatMap((line) => /^a=fmtp:(\d+) /.exec(line)?.[1] ?? []));
  return all
    .flatMap((line) => {
      const fmtp = /^a=fmtp:(\d+) (.*)$/.exec(line);
      if (fmtp && opus.has(fmtp[1] ?? '')) return [`a=fmtp:${fmtp[1]} ${parameters(fmtp[2] ?? '')}`];
      const map = /^a=rtpmap:(\d+) opus\//i.exec(line);
      if (map && !with_fmtp.has(map[1] ?? '')) return [line, `a=fmtp:${map[1]} ${parameters('')}`];
      return [line];
    })
    .map((line) => `${line}\r\n`)
    .join('');
}

function parameters(text: string): string {
  const kept = text
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair && !Object.hasOwn(CONSTANT_BITRATE, pair.split('=')[0] ?? ''));
  return [...kept, ...Object.entries(CONSTANT_BITRATE).map(([name, value]) => `${name}=${value}`)].join(';');
}

function lines(sdp: string): string[] {
  return sdp.split(/\r?\n/).filter((line) => line !== '');
}
