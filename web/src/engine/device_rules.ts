// The office's rules for devices, as far as the page follows them. The server enforces the others.

import { IDLE_LOCK_MINUTES, type DeviceRules, type ProtectionPolicy, type Role } from './contract';

/** The rule for a role, or else that for everybody. */
function rule<Name extends keyof DeviceRules>(policy: ProtectionPolicy, role: Role | null, name: Name) {
  const own = role === null ? undefined : policy.devices?.roles?.[role]?.[name];
  return own ?? policy.devices?.everybody?.[name];
}

/** Whether the page lets nobody of this role go on unprotected. */
export const requires_protection = (policy: ProtectionPolicy, role: Role | null): boolean =>
  rule(policy, role, 'protection') ?? policy.required;

/** After how many milliseconds without use a protected page locks. */
export const idle_lock_ms = (policy: ProtectionPolicy | null, role: Role | null): number =>
  ((policy && rule(policy, role, 'idle_lock_minutes')) ?? IDLE_LOCK_MINUTES) * 60_000;
