import type { Text } from '..';

export const start: Text['start'] = {
  principal: 'Appelez, et recevez des appels.',
  counterpart: 'Appelez les personnes qui vous ont donné une ligne, et recevez leurs appels.',
  duty_officer:
    'Tout appel apparaît ici dès qu’il sonne. Vous pouvez l’écouter, visible de tous, et en lire la transcription.',
  note_taker: 'Tout appel apparaît ici dès qu’il sonne. Vous pouvez l’écouter, visible de tous, et en garder trace.',
  scheduler:
    'Tout appel de votre cabinet apparaît ici dès qu’il sonne, avec qui l’écoute et s’il est enregistré. Vous ne participez à aucun appel.',
  interpreter: 'Tout appel apparaît ici dès qu’il sonne. Vous pouvez l’écouter, visible de tous, sans être entendu.',
  security_officer: 'Invitez des personnes, approuvez et révoquez leurs appareils, et lisez les alertes.',
  records_officer:
    'Ouvrez un appel pour vérifier la preuve de son enregistrement. Les fichiers scellés s’ouvrent avec les clés des dépositaires, hors de cette page.',
  auditor:
    'Ouvrez un appel pour vérifier la preuve de son enregistrement, et lisez les alertes. Vous ne voyez ni contenu ni fichiers scellés.',
};
