// Problems as data: the page words them in its language (view/problem.ts), and the worker knows no language.

/** Problems that the page or its worker finds. */
export type ProblemCode =
  | 'no_answer'
  | 'office_unreachable'
  | 'unavailable'
  | 'refused'
  | 'code_wrong'
  | 'code_closed'
  | 'note_taker_link'
  | 'keys_not_saved'
  | 'engine_fault'
  | 'engine_not_loaded'
  | 'start_failed'
  | 'not_enrolled'
  | 'record_unchecked'
  | 'log_grew'
  | 'keys_of_newer_version'
  | 'wrong_protector'
  | 'last_protector'
  | 'too_many_protectors'
  | 'not_confirmed'
  | 'no_prf'
  | 'no_prf_new'
  | 'not_registered'
  | 'passkey_not_added'
  | 'passkey_unknown'
  | 'not_removed_at_office'
  | 'opened_without_office'
  | 'unlock_again'
  | 'not_erased'
  | 'passkey_there'
  | 'passkey_failed'
  | 'pin_wrong'
  | 'pin_wait'
  | 'pin_erased'
  | 'protected_elsewhere'
  | 'sso_refused'
  | 'no_own_passkey'
  | 'outdated'
  | 'document_changed'
  | 'document_incomplete'
  | 'document_missing'
  | 'record_unproven'
  | 'unknown';

/**
 * A problem of the page's own, with the office's HTTP status where it refused, and with a number where its sentence has one (attempts
 * that are left, seconds to wait); or a sentence of the engine or the office.
 */
export type Problem = { code: ProblemCode; status?: number; count?: number } | { told: string };

export const is_problem = (error: unknown): error is Problem =>
  typeof error === 'object' && error !== null && ('code' in error || 'told' in error) && !(error instanceof Error);

/** Whatever was thrown as a problem. */
export function problem_of(error: unknown): Problem {
  if (is_problem(error)) return error;
  const text = (typeof error === 'string' ? error : error instanceof Error ? error.message : '').trim();
  return text ? { told: text } : { code: 'unknown' };
}

/** Problems of an office that could not be reached, or not be asked. */
const OFFICE_AWAY: readonly ProblemCode[] = ['no_answer', 'office_unreachable', 'unavailable'];

/** Whether the same can be tried again, because the office could not be asked. */
export const is_retryable = (problem: Problem): boolean => 'code' in problem && OFFICE_AWAY.includes(problem.code);
