import { expect, it } from 'vitest';
import { ROLES } from '../fake/people';
import { papers } from '.';
import * as roles from './roles';

it('may do what the table of documents says', async () => {
  const { may_claim } = await papers();
  for (const role of ROLES) {
    const claims = {
      writes_notes: may_claim(role, 'notes', 'draft'),
      writes_debriefs: may_claim(role, 'debrief', 'draft'),
      approves_debriefs: may_claim(role, 'debrief', 'approved'),
      drafts_memoranda: may_claim(role, 'memorandum', 'draft'),
      reviews_memoranda: may_claim(role, 'memorandum', 'reviewed'),
      approves_memoranda: may_claim(role, 'memorandum', 'approved'),
      writes_briefs: may_claim(role, 'brief', 'draft'),
      approves_briefs: may_claim(role, 'brief', 'approved'),
      approves_readouts: may_claim(role, 'readout', 'approved'),
      publishes_readouts: may_claim(role, 'readout', 'published'),
      circulates: may_claim(role, 'circulation', 'draft'),
      destroys_memoranda: may_claim(role, 'memorandum', 'destroyed'),
    };
    for (const [name, claim] of Object.entries(claims))
      expect(roles[name as Exclude<keyof typeof roles, 'DESK'>](role), `${role} ${name}`).toBe(claim);
  }
});
