// What a role can do, on the screen that it starts with.

import type { Role } from '../engine/contract';
import { t } from '../text';

/** The sentence for a role; `null` for one that starts with a screen that needs none. */
export const start_sentence = (role: Role): string | null => (t().start as Partial<Record<Role, string>>)[role] ?? null;
