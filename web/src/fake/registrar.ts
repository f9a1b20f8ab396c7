// A registrar of the fake engine: invitations without keys, signatures or an office.

import type { Alert, CodeView, InvitationView, UserCommand, View } from '../engine/contract';
import { ALERTS } from './alerts';
import { asks, guarded, invitation, shown_code } from './devices';
import { OFFICE } from './people';

export class FakeRegistrar {
  #appointed = false;
  #invitations: InvitationView[] = [];
  #unseen = 2;
  #changes = 1;
  #code: CodeView | null = null;
  #alerts: Alert[] = [];
  #alerts_raised = 0;

  view(): View {
    return guarded({
      office_alerts: { unseen: this.#unseen, newest: ALERTS.slice(0, 2), changes: this.#changes },
      invitations: this.#invitations,
      code: this.#code,
      alerts: this.#alerts,
      alerts_raised: this.#alerts_raised,
      ...(this.#appointed ? {} : { registrar: null }),
    });
  }

  /** Whether it was a command of a registrar. */
  command(command: UserCommand): boolean {
    switch (command.type) {
      case 'invite': {
        const { name, organisation, role, zone } = command;
        const person = command.person ?? 'f'.repeat(32);
        const card = { person, office: OFFICE, name, organisation, role, zone };
        this.#invitations = [invitation({ card, link: 'ask-good' }), ...this.#invitations];
        return true;
      }
      case 'approve_device': {
        const asked = this.#invitations.find((one) => one.invitation === command.invitation);
        if (asked?.request?.code !== command.code) {
          this.#alert('The device was not approved: its code is not the one that you compared.');
          return true;
        }
        this.#invitations = this.#invitations.filter((one) => one !== asked);
        return true;
      }
      case 'close_invitation':
        this.#invitations = this.#invitations.filter((one) => one.invitation !== command.invitation);
        return true;
      case 'show_code':
        this.#code = shown_code({ invitation: command.invitation });
        return true;
      case 'hide_code':
        this.#code = null;
        return true;
      case 'see_alerts':
        this.#unseen -= command.alerts.length;
        this.#changes += 1;
        return true;
      case 'revoke_device':
      case 'open_recovery':
      case 'confirm_recovery':
      case 'close_recovery':
        return true;
      default:
        return false;
    }
  }

  #alert(text: string): void {
    this.#alerts = [{ level: 'amber', text }];
    this.#alerts_raised += 1;
  }

  /** An event of a test: this device was appointed, or a device asks with each invitation. */
  handle(event: 'appointed' | 'asks'): void {
    if (event === 'appointed') this.#appointed = true;
    else this.#invitations = this.#invitations.map(({ invitation, card }) => asks({ invitation, card }));
  }
}
