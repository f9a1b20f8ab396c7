// What is written about calls: which lists of it a person has.

import type { DocumentKind, Role } from '../engine/contract';
import { DESK } from '../papers/roles';

/** Lists of documents, in their order. */
export const PAPERS_TABS = ['plans', 'memoranda', 'copies', 'actions', 'readouts', 'trace'] as const;
export type PapersTab = (typeof PAPERS_TABS)[number];

export const is_papers_tab = (name: string | undefined): name is PapersTab => PAPERS_TABS.some((tab) => tab === name);

const KINDS: Record<DocumentKind, true> = {
  request: true,
  schedule: true,
  brief: true,
  profile: true,
  notes: true,
  memorandum: true,
  copy: true,
  debrief: true,
  readout: true,
  actions: true,
  circulation: true,
};

export const is_document_kind = (name: string | undefined): name is DocumentKind =>
  name !== undefined && Object.hasOwn(KINDS, name);

const READERS: Record<PapersTab, readonly Role[]> = {
  plans: [...DESK, 'counterpart'],
  memoranda: [...DESK, 'note_taker'],
  copies: [...DESK, 'note_taker', 'interpreter', 'records_officer', 'security_officer', 'auditor'],
  actions: DESK,
  readouts: DESK,
  trace: ['security_officer', 'scheduler', 'principal'],
};

/** The lists that people of a role have. What is in them is decided by who may read each document. */
export const papers_tabs = (role: Role): PapersTab[] => PAPERS_TABS.filter((tab) => READERS[tab].includes(role));

/** The list to which a document belongs. */
export const tab_of_kind = (kind: DocumentKind): PapersTab => {
  switch (kind) {
    case 'request':
    case 'schedule':
    case 'brief':
    case 'profile':
      return 'plans';
    case 'notes':
    case 'debrief':
    case 'memorandum':
      return 'memoranda';
    case 'circulation':
    case 'copy':
      return 'copies';
    case 'readout':
      return 'readouts';
    case 'actions':
      return 'actions';
  }
};
