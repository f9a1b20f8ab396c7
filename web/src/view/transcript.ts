// View model of the live captions.

import type { CallView, CaptionView } from '../engine/contract';
import { t, type Text } from '../text';
import { format_decimal } from '../text/format';
import { time_to_the_second } from './clock';

/** Words of a line: as said, ones that the recognizer was not certain of, or a mark in the place of words. */
export interface Words {
  kind: 'said' | 'uncertain' | 'mark';
  text: string;
}

export interface TranscriptLine {
  id: string;
  at: string;
  name: string;
  words: Words[];
  done: boolean;
  /** A draft whose sentence has not ended. */
  is_unfinished: boolean;
}

/** Live captions of the call that this device listens to. */
export interface Transcript {
  title: string;
  lines: TranscriptLine[];
  /** How far captions lag behind speech, as text. */
  behind: string | null;
  /** What the look of uncertain words means, where there are any. */
  key: string | null;
  placeholder: string | null;
}

/** `transcribed`: a note-taker is in the call, or joins it. */
export function transcript(call: CallView, transcribed: boolean, local_zone: string): Transcript {
  const { desk } = t();
  const seen = new Map<string, number>();
  const lines = without_stale_drafts(call.captions)
    .sort((a, b) => a.start_ms - b.start_ms)
    .map((caption) => {
      // A draft may start at the same time as a final line.
      const place = `${caption.speaker} ${caption.start_ms}`;
      const nth = seen.get(place) ?? 0;
      seen.set(place, nth + 1);
      return transcript_line(caption, `${place} ${nth}`, local_zone);
    });
  return {
    title: desk.transcript,
    lines,
    key: lines.some((line) => line.words.some((one) => one.kind === 'uncertain')) ? desk.uncertain_key : null,
    behind: call.captions_behind_ms === null ? null : desk.behind(format_decimal(call.captions_behind_ms / 1000)),
    placeholder: lines.length > 0 ? null : placeholder(call, transcribed),
  };
}

function placeholder(call: CallView, transcribed: boolean): string {
  const { desk } = t();
  if (call.mode === 'log_only') return desk.log_only;
  return transcribed ? desk.quiet : desk.no_captions;
}

/** Longest passage that a note-taker transcribes at once, milliseconds. */
const MAX_PASSAGE_MS = 30_000;
/** How much of a passage's end may be transcribed again at the start of the next, milliseconds. */
const OVERLAP_MS = 10_000;

/**
 * Drops drafts that repeat another line, and drafts that no final line will replace any more: the end of a long passage
 * is transcribed again with the next, a final line is lost if it arrives during a change of keys, a passage may not be
 * recognised, and a note-taker may stop in the middle of one.
 */
function without_stale_drafts(captions: CaptionView[]): CaptionView[] {
  const replaces = (line: CaptionView, draft: CaptionView) => {
    const later_ms = line.start_ms - draft.start_ms;
    const overlaps = line.passage > draft.passage && later_ms <= 0 && later_ms >= -OVERLAP_MS;
    return overlaps || (line.final && ((line.passage >= draft.passage && later_ms >= 0) || later_ms > MAX_PASSAGE_MS));
  };
  return captions.filter(
    (one) => one.final || !captions.some((other) => other.speaker === one.speaker && replaces(other, one)),
  );
}

function transcript_line(caption: CaptionView, id: string, local_zone: string): TranscriptLine {
  return {
    id,
    at: time_to_the_second(caption.start_ms, local_zone) ?? '',
    name: caption.name,
    words: words(caption.text),
    done: caption.final,
    is_unfinished: !caption.final && !/[.!?…]$/.test(caption.text),
  };
}

/** Marks as note-takers write them (crates/client/src/transcription/certainty.rs). */
export const MARKS: Record<string, keyof Text['desk']['marks']> = {
  '[beginning not understood]': 'beginning',
  '[unclear]': 'unclear',
  '[speech in another language]': 'other_language',
  '[repetition left out]': 'repetition',
  '[not transcribed]': 'failed',
};

/** Finds uncertain words (`[word?]`) and marks in the text of a caption. */
function words(text: string): Words[] {
  return text.split(/(\[[^[\]]*\])/).flatMap((part): Words[] => {
    if (part === '') return [];
    const mark = MARKS[part];
    if (mark) return [{ kind: 'mark', text: t().desk.marks[mark] }];
    const uncertain = /^\[(.+)\?\]$/.exec(part)?.[1];
    return [uncertain === undefined ? { kind: 'said', text: part } : { kind: 'uncertain', text: uncertain }];
  });
}
