import type { Text } from '..';

export const problems: Text['problems'] = {
  no_answer:
    'Votre cabinet n’a pas répondu. Vérifiez la connexion de cet appareil, puis réessayez. Le lien reste valable.',
  office_unreachable: 'Votre cabinet n’a pas répondu. Vérifiez la connexion de cet appareil, puis réessayez.',
  unavailable: 'Le serveur de votre cabinet est indisponible. Réessayez dans une minute.',
  refused: (status) =>
    `Le serveur de votre cabinet a refusé la demande (${status}). Demandez à votre cabinet comment procéder.`,
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
  unknown: 'Une erreur s’est produite sur cet appareil. Rechargez la page, puis réessayez.',
  ask_office: 'Demandez à votre cabinet comment procéder.',
};
