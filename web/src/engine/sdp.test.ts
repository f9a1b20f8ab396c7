import { describe, expect, it } from 'vitest';
import { is_answer_to, force_constant_bitrate, is_opus_only, strip_audio_levels } from './sdp';

const SDP = [
  'v=0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:csrc-audio-level vad=on',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 minptime=10;useinbandfec=0;usedtx=1',
  'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 111/111',
  '',
].join('\r\n');

describe('session descriptions', () => {
  it('carry no audio-level extensions, which tell the relay who speaks', () => {
    const sdp = strip_audio_levels(SDP);
    expect(sdp).not.toMatch(/audio-level/);
    expect(sdp).toContain('abs-send-time');
    expect(sdp.split('\r\n')).toHaveLength(SDP.split('\r\n').length - 2);
  });

  it('ask for Opus at a constant bitrate, whatever they contained before', () => {
    const sdp = force_constant_bitrate(SDP);
    expect(sdp).toContain(
      'a=fmtp:111 minptime=10;cbr=1;usedtx=0;useinbandfec=1;stereo=0;sprop-stereo=0;maxaveragebitrate=32000\r\n',
    );
    expect(sdp).not.toMatch(/usedtx=1|useinbandfec=0/);
    expect(sdp).toContain('a=fmtp:63 111/111');
    expect(force_constant_bitrate(sdp)).toBe(sdp);
  });

  it('get an fmtp line where there was none', () => {
    expect(force_constant_bitrate('m=audio 9 X 96\r\na=rtpmap:96 opus/48000/2\r\n')).toMatch(
      /a=rtpmap:96 opus\/48000\/2\r\na=fmtp:96 cbr=1;/,
    );
  });

  it('with anything but Opus are refused', () => {
    const answer = (types: string, maps: string[]) =>
      ['v=0', `m=audio 9 UDP/TLS/RTP/SAVPF ${types}`, ...maps, ''].join('\r\n');
    const opus = 'a=rtpmap:111 opus/48000/2';
    expect(is_opus_only(answer('111', [opus]))).toBe(true);
    expect(
      is_opus_only(answer('111', [opus]) + 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n'),
    ).toBe(true);
    expect(is_opus_only(answer('0 13', ['a=rtpmap:0 PCMU/8000', 'a=rtpmap:13 CN/8000']))).toBe(false);
    expect(is_opus_only(answer('111 13', [opus, 'a=rtpmap:13 CN/8000']))).toBe(false);
    expect(is_opus_only(answer('111', []))).toBe(false);
    expect(is_opus_only(SDP)).toBe(false);
    expect(is_opus_only('v=0\r\n')).toBe(false);
  });

  it('an answer is matched to its offer by session id', () => {
    const offer = 'v=0\r\no=- 4611732345 2 IN IP4 127.0.0.1\r\ns=-\r\n';
    expect(is_answer_to('v=0\r\na=x-telcon-offer:4611732345\r\n', offer)).toBe(true);
    expect(is_answer_to('v=0\r\na=x-telcon-offer:46117\r\n', offer)).toBe(false);
    expect(is_answer_to('v=0\r\n', offer)).toBe(true);
  });
});
