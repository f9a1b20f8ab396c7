// View model of the list of a device's protectors.

import type { Protector } from '../engine/key_store';
import { t } from '../text';
import { full_date } from './clock';

export interface ProtectorRow {
  protector: Protector;
  text: string;
  /** Label of the button that removes it. */
  remove: string;
}

/** In the order in which they were added. */
export function protector_rows(protectors: readonly Protector[], zone: string): ProtectorRow[] {
  const texts = t().protection.settings;
  return protectors.map((protector) => {
    const date = full_date(protector.added_ms, zone) ?? '';
    return protector.kind === 'passkey'
      ? { protector, text: texts.passkey(date), remove: texts.remove_passkey(date) }
      : { protector, text: texts.pin(date), remove: texts.remove_pin };
  });
}
