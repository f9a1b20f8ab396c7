// What is still missing from an invitation.

import { is_zone } from './clock';

export type InviteProblem = 'empty' | 'no_zone';

export function invite_problem(fields: { name: string; organisation: string; zone: string }): InviteProblem | null {
  if (!fields.name.trim() || !fields.organisation.trim()) return 'empty';
  return is_zone(fields.zone.trim()) ? null : 'no_zone';
}
