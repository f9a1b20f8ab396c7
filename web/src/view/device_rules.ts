// The office's rules for devices, in words for its security officers.

import type { DeviceRules, ProtectionPolicy, Role } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';

export interface DeviceRulesRow {
  who: string;
  rules: string[];
}

/** Rules for everybody and for single roles; none where the office has no rules. */
export function device_rules(policy: ProtectionPolicy | null): DeviceRulesRow[] {
  const texts = t().devices;
  const { everybody = {}, roles = {} } = policy?.devices ?? {};
  const named = Object.entries(roles).map(([role, rules]) => ({ who: texts.roles[role as Role], rules: words(rules) }));
  return [{ who: texts.rules.everybody, rules: words(everybody) }, ...named].filter((row) => row.rules.length > 0);
}

function words({ kinds, protection, idle_lock_minutes, devices_per_person, minimum_version }: DeviceRules): string[] {
  const { rules } = t().devices;
  const found: string[] = [];
  if (kinds && !kinds.includes('native')) found.push(rules.browsers_only);
  if (kinds && !kinds.includes('browser')) found.push(rules.programs_only);
  if (protection !== undefined) found.push(protection ? rules.protection : rules.no_protection);
  if (idle_lock_minutes !== undefined) found.push(rules.idle_lock(idle_lock_minutes, format_number(idle_lock_minutes)));
  if (devices_per_person !== undefined)
    found.push(rules.devices(devices_per_person, format_number(devices_per_person)));
  if (minimum_version !== undefined) found.push(rules.version(minimum_version));
  return found;
}
