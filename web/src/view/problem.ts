// Problems as sentences.

import type { Problem } from '../engine/problem';
import { t } from '../text';
import { format_number } from '../text/format';
import { told } from '../text/told';

export function problem_text(problem: Problem): string {
  if ('told' in problem) return told(problem.told);
  const { problems } = t();
  return problem.code === 'refused' ? problems.refused(format_number(problem.status ?? 0)) : problems[problem.code];
}
