// A principal's device of the fake engine that gives lines: without keys, signatures or an office.

import type { InvitationView, UserCommand } from '../engine/contract';
import { offer, taken } from './lines';
import { OFFICE } from './people';

export class FakeGiver {
  invitations: InvitationView[] = [];
  /** Changes with each line that was confirmed or changed. */
  lines_changed = 0;

  /** Whether it was a command about lines. */
  command(command: UserCommand): boolean {
    switch (command.type) {
      case 'give_line': {
        const { name, organisation, zone, terms } = command;
        const card = { person: 'f'.repeat(32), office: OFFICE, name, organisation, role: 'counterpart' as const, zone };
        const [made_ms, expires_ms] = [Date.now(), Date.now() + (command.valid_ms ?? 0)];
        this.invitations = [offer({ card, made_ms, expires_ms, link: 'ask-good' }, terms)];
        return true;
      }
      case 'confirm_line':
      case 'close_invitation':
        this.invitations = this.invitations.filter((one) => one.invitation !== command.invitation);
        this.lines_changed += 1;
        break;
      case 'sign_line_change':
        this.lines_changed += 1;
        break;
      case 'give_line_to':
      case 'hand_back':
      case 'see_lines':
      case 'show_challenge':
      case 'hide_challenge':
        break;
      default:
        return false;
    }
    return true;
  }

  /** A device takes the line that is on offer. */
  take(): void {
    this.invitations = this.invitations.map(({ invitation, card }) => taken({ invitation, card }));
  }
}
