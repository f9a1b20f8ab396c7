import type { alert_kinds as en } from '../en/alert_kinds';

export const alert_kinds: typeof en = {
  device_asked: 'Un nouvel appareil demande à être inscrit',
  device_enrolled: 'Un appareil a été inscrit',
  device_refused: 'Un appareil a été refusé',
  device_revoked: 'Un appareil a été révoqué',
  recovery_opened: 'Une récupération a été ouverte : quelqu’un aurait perdu tous ses appareils',
  recovery_confirmed: 'Une récupération a été confirmée : tous les appareils d’une personne sont révoqués',
  recovery_closed: 'Une récupération a pris fin',
  link_opened_again: 'Le lien d’une invitation a été ouvert sur un second appareil',
  registrar_appointed: 'Un appareil a été habilité à inscrire des appareils',
  sign_in_failed: 'Une connexion a échoué',
  account_linked: 'Une personne s’est connectée pour la première fois avec un compte du cabinet',
  ring_refused: 'Un appareil a émis un appel qui n’a pas pu être vérifié',
  proof_invalid: 'Un appareil a reçu une preuve qui n’a pas pu être vérifiée',
  log_forked: 'Un appareil a reçu un journal qui ne concorde pas avec le précédent',
  ring_invalid: 'Le serveur a transmis un appel qui n’a pas pu être vérifié',
  code_guessed: 'Des codes erronés ont été saisis jusqu’au blocage du code',
  line_suspect: 'Une ligne a été gelée : quelqu’un a douté de l’appelant',
};
