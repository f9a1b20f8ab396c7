// Lines over the office's HTTP API, and which commands about them a person has to confirm.

import { NEED_CONFIRMATION, type LineList, type ListedLine, type UserCommand } from './contract';
import { get_from_office } from './records';

/** The message that the engine sends for a command about lines; `null` of a command that is none. */
function message_of(command: UserCommand): string | null {
  switch (command.type) {
    case 'give_line':
      return command.under === undefined || command.under === null ? 'invite' : 'offer_line';
    case 'give_line_to':
      return 'sign_line';
    case 'confirm_line':
      return 'approve_device';
    case 'close_invitation':
      return command.type;
    case 'sign_line_change':
      return command.change.terms || command.change.state === 'live' ? 'sign_line' : 'stop_line';
    case 'hand_back':
      return 'stop_line';
    default:
      return null;
  }
}

/** Whether the office wants the person to have confirmed a command: what opens a way to a principal does, what closes one does not. */
export function needs_confirmation(command: UserCommand): boolean {
  const message = message_of(command);
  return message !== null && NEED_CONFIRMATION.includes(message);
}

export interface Lines {
  /** Those that this person gave or holds; of those for whom they act; all for security officers. Newest first. */
  lines(token: string, oldest?: ListedLine): Promise<LineList>;
}

export const lines_over_http: Lines = {
  async lines(token, oldest) {
    const before = oldest ? `?before=${oldest.given_ms}` : '';
    return JSON.parse(await get_from_office(token, `/lines${before}`)) as LineList;
  },
};
