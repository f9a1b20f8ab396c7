// The lists of what is written about calls.

import type { Text } from '..';

export const papers: Text['papers'] = {
  nav: 'Dossiers',
  title: 'Dossiers',
  lists: 'Listes',
  tabs: {
    plans: 'Appels prévus',
    memoranda: 'Comptes rendus',
    copies: 'Vos exemplaires',
    actions: 'Engagements',
    readouts: 'Communiqués',
    trace: 'Tracer une fuite',
  },
  back: 'Retour à la liste',
  empty: 'Rien pour l’instant',
};
