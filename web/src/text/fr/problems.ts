import type { Text } from '..';
import { plural } from '../format';

export const problems: Text['problems'] = {
  no_answer:
    'Votre cabinet n’a pas répondu. Vérifiez la connexion de cet appareil, puis réessayez. Le lien reste valable.',
  office_unreachable: 'Votre cabinet n’a pas répondu. Vérifiez la connexion de cet appareil, puis réessayez.',
  unavailable: 'Le serveur de votre cabinet est indisponible. Réessayez dans une minute.',
  refused: (status) =>
    `Le serveur de votre cabinet a refusé la demande (${status}). Demandez à votre cabinet comment procéder.`,
  code_wrong: (n, count) =>
    `Ce n’est pas le code. Vérifiez-le avec la personne qui vous l’a lu. Il reste ${count} ${plural(n, { one: 'essai', other: 'essais' })}.`,
  code_closed:
    'Ce n’est pas le code. Trois codes erronés ont été saisis : il est bloqué maintenant. Demandez un nouveau code.',
  note_taker_link:
    'Ce lien est destiné au rédacteur du cabinet. Le rédacteur est un programme installé sur une machine du cabinet : inscrivez-le sur celle-ci avec « telcon enrol ». Un navigateur ne peut établir de procès-verbal.',
  keys_not_saved:
    'Ce navigateur n’a pu enregistrer les clés de cet appareil. Libérez de l’espace, puis rechargez la page.',
  engine_fault:
    'Le chiffrement de Telcon s’est interrompu à la suite d’une erreur interne. Rien n’a été envoyé en clair. Rechargez la page.',
  engine_not_loaded: 'Le chiffrement de Telcon n’a pu être chargé. Vérifiez la connexion, puis rechargez la page.',
  start_failed:
    'Telcon n’a pu démarrer : son chiffrement, ou les clés conservées dans ce navigateur, n’ont pu être ouverts. Rechargez la page. Si cela ne suffit pas, demandez un nouveau lien d’inscription à votre cabinet.',
  not_enrolled: 'Cet appareil n’est pas inscrit.',
  record_unchecked: 'Ce procès-verbal n’a pu être vérifié.',
  log_grew:
    'Le journal du cabinet s’est allongé deux fois pendant la vérification de ce procès-verbal. Réessayez dans un instant.',
  keys_of_newer_version:
    'Une version plus récente de Telcon a enregistré les clés de cet appareil. Rechargez la page. Si cela ne suffit pas, prévenez votre cabinet.',
  wrong_protector:
    'Cela ne permet pas d’ouvrir les clés de cet appareil. Utilisez la clé d’accès ou le code PIN que vous avez choisi sur cet appareil, ou demandez un nouveau lien d’inscription à votre cabinet.',
  last_protector:
    'C’est la dernière clé d’accès ou le dernier code PIN de cet appareil. Ajoutez d’abord une autre clé d’accès ou un autre code PIN.',
  too_many_protectors: 'Cet appareil a trop de clés d’accès. Supprimez-en d’abord une.',
  not_confirmed: 'Rien n’a été confirmé. Réessayez avec la clé d’accès de cet appareil.',
  no_prf:
    'Cette clé d’accès ne peut pas protéger les clés de cet appareil. Utilisez un autre authentificateur ou navigateur, ou un code PIN.',
  no_prf_new:
    'Cette clé d’accès ne peut pas protéger les clés de cet appareil. Utilisez un autre authentificateur ou navigateur, ou un code PIN. L’authentificateur conserve la nouvelle clé d’accès : vous pouvez l’y supprimer.',
  not_registered:
    'Cette clé d’accès ouvre désormais cet appareil, mais votre cabinet ne l’a pas confirmée. Choisissez de nouveau une clé d’accès ou un code PIN, qui remplacera celle-ci.',
  passkey_not_added:
    'Votre cabinet n’a pas confirmé la nouvelle clé d’accès : elle n’a pas été ajoutée. Vous pouvez la supprimer de l’authentificateur, puis réessayer.',
  passkey_unknown:
    'Cette clé d’accès ouvre cet appareil, mais votre cabinet ne l’a pas acceptée. Utilisez une autre clé d’accès ou le code PIN de cet appareil. Si vous n’en avez pas, demandez un nouveau lien d’inscription à votre cabinet.',
  opened_without_office:
    'Votre cabinet était injoignable lorsque vous avez déverrouillé cet appareil. Il répond de nouveau : déverrouillez l’appareil encore une fois.',
  unlock_again: 'Votre cabinet vous demande de déverrouiller de nouveau cet appareil.',
  not_removed_at_office:
    'La suppression est faite sur cet appareil, mais votre cabinet l’ignore encore. Cet appareil l’en informera lors de votre prochain déverrouillage.',
  not_erased: 'Ce navigateur n’a pas pu effacer l’appareil. Rechargez la page, puis réessayez.',
  passkey_there: 'Cet authentificateur a déjà une clé d’accès pour cet appareil. Utilisez-en un autre.',
  passkey_failed:
    'La clé d’accès n’a pas pu être utilisée. Réessayez, ou utilisez un autre authentificateur ou un code PIN.',
  pin_wrong: (n, count) => `Code PIN erroné. Il reste ${count} ${plural(n, { one: 'essai', other: 'essais' })}.`,
  pin_wait: (n, count) =>
    `Trop de codes PIN erronés. Attendez ${count} ${plural(n, { one: 'seconde', other: 'secondes' })}, puis réessayez.`,
  pin_erased:
    'Après trop de codes PIN erronés, votre cabinet a effacé sa part de la clé. Ce code PIN n’ouvre plus rien. Utilisez une clé d’accès de cet appareil, ou demandez un nouveau lien d’inscription à votre cabinet.',
  protected_elsewhere:
    'Cette copie de l’appareil est périmée. L’appareil a été protégé par une clé d’accès ou un code PIN, sans lesquels votre cabinet ne l’admet pas. Si vous ne l’avez pas protégé, prévenez votre responsable de la sécurité.',
  sso_refused:
    'La page de connexion indique que personne ne s’est connecté. Réessayez, ou adressez-vous à votre cabinet.',
  no_own_passkey:
    'Personne ne s’est identifié. Si votre clé d’accès n’est pas sur cet appareil, choisissez votre téléphone ou une clé de sécurité quand votre navigateur le demande. Si vous n’en avez pas, protégez d’abord l’un de vos appareils avec une clé d’accès, dans ses réglages.',
  outdated:
    'Cette page est plus ancienne que ne le permet votre cabinet, et la recharger n’a rien changé. Fermez tous ses onglets et rouvrez-la. Si cela ne suffit pas, prévenez votre cabinet.',
  record_unproven:
    'L’enregistrement de cet appel n’a pas pu être vérifié : rien n’est rédigé à partir de lui. Ouvrez-le pour voir quelle vérification a échoué.',
  document_changed:
    'Quelqu’un d’autre a modifié ce document entre-temps. Consultez sa version, puis enregistrez de nouveau la vôtre.',
  document_missing: 'Ce document n’existe pas, ou vous ne pouvez plus le lire.',
  document_incomplete:
    'Le serveur du cabinet n’a pas présenté toutes les versions de ce document. Réessayez ; si cela ne suffit pas, prévenez votre responsable de la sécurité.',
  unknown: 'Une erreur s’est produite sur cet appareil. Rechargez la page, puis réessayez.',
  ask_office: 'Demandez à votre cabinet comment procéder.',
};
