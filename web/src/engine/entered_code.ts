// A short code that was typed into the page: the engine's steps, and the office's answers between them. What it gives is the fragment
// of a registrar's link. Nothing is stored; a reload forgets the attempt.

import type { CodeConfirmed } from './contract';
import { office_info, post_to_office, refusal, type Fetch } from './enrol';
import type { Problem } from './problem';

/** The engine's part of one attempt. */
export interface CodeSteps {
  slot(): string;
  message(): string;
  answer(started: string): string;
  open(text: string): string;
  free(): void;
}

/** Throws a `Problem`, or a sentence of the engine. */
export async function link_of_code(make: (info: string) => CodeSteps, fetch_office: Fetch): Promise<string> {
  const steps = make(await office_info(fetch_office));
  try {
    const path = `/codes/${steps.slot()}`;
    const started = await post(fetch_office, path, steps.message());
    // Commit: the device that shows the code counts this attempt once it has the confirmation.
    const confirm = steps.answer(started);
    const { run } = JSON.parse(started) as { run: string };
    const confirmed = JSON.parse(await post(fetch_office, `${path}/${run}`, confirm)) as CodeConfirmed;
    if (confirmed.state === 'wrong')
      throw { code: confirmed.left > 0 ? 'code_wrong' : 'code_closed', count: confirmed.left } satisfies Problem;
    return steps.open(JSON.stringify(confirmed.text));
  } finally {
    steps.free();
  }
}

async function post(fetch_office: Fetch, path: string, json: string): Promise<string> {
  const answer = await post_to_office(fetch_office, path, JSON.parse(json) as object);
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}
