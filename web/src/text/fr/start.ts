import type { Text } from '..';

export const start: Text['start'] = {
  duty_officer:
    'Tout appel apparaît ici dès qu’il sonne. Vous pouvez l’écouter, visible de tous, et en lire les sous-titres.',
  scheduler:
    'Tout appel de votre cabinet apparaît ici dès qu’il sonne. Vous voyez qui l’écoute et s’il est enregistré, sans y participer.',
  interpreter: 'Tout appel apparaît ici dès qu’il sonne. Vous pouvez l’écouter, visible de tous, sans être entendu.',
  records_officer:
    'Ouvrez un appel pour vérifier la preuve de son procès-verbal. Les fichiers scellés s’ouvrent avec les clés des dépositaires, hors de cette page.',
  auditor:
    'Ouvrez un appel pour vérifier la preuve de son procès-verbal, et lisez les alertes. Vous ne voyez ni contenu ni fichiers scellés.',
};
