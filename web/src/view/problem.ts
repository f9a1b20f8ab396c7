// Problems as sentences.

import type { Problem } from '../engine/problem';
import { t } from '../text';
import { format_number } from '../text/format';
import { told } from '../text/told';

export function problem_text(problem: Problem): string {
  if ('told' in problem) return told(problem.told);
  const { problems } = t();
  const count = problem.count ?? 0;
  switch (problem.code) {
    case 'refused':
      return problems.refused(format_number(problem.status ?? 0));
    case 'pin_wrong':
      return problems.pin_wrong(count, format_number(count));
    case 'code_wrong':
      return problems.code_wrong(count, format_number(count));
    case 'pin_wait':
      return problems.pin_wait(count, format_number(count));
    default:
      return problems[problem.code];
  }
}
