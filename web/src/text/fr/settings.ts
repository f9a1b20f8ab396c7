import type { Text } from '..';

export const settings: Text['settings'] = {
  title: 'Réglages',
  open: 'Son et langue',
  language: 'Langue',
  microphone: 'Micro',
  speaker: 'Haut-parleur',
  system_default: 'Choix du système',
  unnamed_microphone: (n) => `Micro ${n}`,
  unnamed_speaker: (n) => `Haut-parleur ${n}`,
  speaker_fixed: 'Ce navigateur diffuse le son sur le haut-parleur par défaut du système.',
  test_microphone: 'Tester le micro',
  stop_test: 'Arrêter le test',
  speak_now: 'Parlez : la barre doit bouger.',
  level: 'Niveau du micro',
  play_tone: 'Émettre un son de test',
  microphone_denied:
    'Ce navigateur n’est pas autorisé à utiliser le micro. Autorisez-le à côté de l’adresse de la page.',
  microphone_missing: 'Aucun micro n’a été trouvé.',
  devices_changed: 'Les appareils audio ont changé.',
  now_using: (name) => `Micro utilisé : ${name}.`,
  notifications: {
    ask: 'Activer les notifications d’appel',
    why: 'Pour voir les appels lorsqu’une autre fenêtre est au premier plan.',
    denied: 'Les notifications d’appel sont bloquées',
    denied_how:
      'Vous ne voyez les appels que lorsque cette page est au premier plan. Pour activer les notifications, ouvrez les paramètres du site à côté de l’adresse, autorisez les notifications, puis rechargez la page.',
  },
  sound: {
    blocked: 'Cliquez n’importe où pour autoriser la sonnerie',
    blocked_why: 'D’ici là, les appels sonnent en silence.',
  },
};
