import type { Text } from '..';

export const protection: Text['protection'] = {
  offer: {
    kind: 'Encore une étape',
    title: 'Protéger cet appareil',
    sentence:
      'Une fois cet appareil protégé, une copie de son disque ne sert à personne sans votre clé d’accès ou votre code PIN.',
    limits: 'Cette page n’est pas protégée tant qu’elle est déverrouillée.',
    passkey: 'Utiliser une clé d’accès',
    pin: 'Utiliser un code PIN',
    not_now: 'Plus tard',
    required: 'Votre cabinet l’exige.',
    no_passkeys: 'Ce navigateur ne prend pas en charge les clés d’accès.',
    offline: 'Votre cabinet est injoignable pour le moment. Vous pourrez continuer dès qu’il répondra.',
  },
  unlock: {
    kind: 'Verrouillé',
    title: 'Déverrouiller cet appareil',
    passkey: 'Déverrouiller avec votre clé d’accès',
    pin: 'Déverrouiller avec votre code PIN',
    use_pin: 'Utiliser plutôt le code PIN',
    use_passkey: 'Utiliser plutôt la clé d’accès',
    no_rings: 'Tant qu’il est verrouillé, cet appareil ne sonne pas.',
  },
  pin: {
    label: 'Code PIN',
    new_label: 'Nouveau code PIN',
    again: 'Répétez le code PIN',
    rule: 'Six caractères au moins. Ce code PIN vous sera demandé à chaque déverrouillage de cet appareil.',
    help: 'Après dix codes PIN erronés, votre cabinet efface sa part de la clé, et cet appareil doit être inscrit de nouveau.',
    short: 'Un code PIN comporte au moins six caractères.',
    different: 'Les deux codes PIN diffèrent.',
    set: 'Choisir ce code PIN',
    working: 'Vérification du code PIN',
  },
  confirm: {
    title: 'Confirmez que c’est bien vous',
    why_office:
      'Cette action porte sur l’accès aux appareils de votre cabinet : Telcon vous demande donc de confirmer de nouveau.',
    why_own: 'Cette action modifie la protection de cet appareil : Telcon vous demande donc de confirmer de nouveau.',
    passkey: 'Confirmer avec votre clé d’accès',
    pin: 'Confirmer avec votre code PIN',
    new_pin: 'Choisissez un nouveau code PIN',
  },
  erase: {
    action: 'Effacer l’appareil de ce navigateur',
    link: 'Le lien d’inscription n’a pas été utilisé. Pour l’utiliser dans ce navigateur, effacez d’abord l’appareil qui y est inscrit. S’il est destiné à un autre navigateur, ouvrez-le dans ce dernier.',
    title: 'Effacer l’appareil de ce navigateur ?',
    then: 'Ses clés seront supprimées de ce navigateur. C’est irréversible.',
    then_ask:
      'Pour utiliser ensuite Telcon dans ce navigateur, il vous faudra un nouveau lien d’inscription de votre cabinet.',
    then_link: 'Le lien d’inscription que vous avez ouvert sera ensuite utilisé dans ce navigateur.',
    yes: 'Effacer',
    back: 'Ne pas effacer',
  },
  settings: {
    title: 'Protection de cet appareil',
    none: 'Les clés de cet appareil sont conservées sans protection : quiconque copie le disque de cet appareil peut s’en servir.',
    some: 'Les clés de cet appareil ne s’ouvrent qu’avec l’un de ces moyens. Ils ne protègent pas une page déverrouillée.',
    removal:
      'Quiconque a copié le disque de cet appareil avant la suppression d’une clé d’accès ou d’un code PIN peut encore ouvrir cette copie avec cette clé ou ce code, mais pas se connecter. Si cela a pu se produire, faites révoquer cet appareil et inscrivez-le de nouveau.',
    passkey: (date) => `Clé d’accès, ajoutée le ${date}`,
    pin: (date) => `Code PIN, choisi le ${date}`,
    protect: 'Protéger cet appareil',
    add: 'Ajouter une clé d’accès',
    change_pin: 'Changer le code PIN',
    add_pin: 'Ajouter un code PIN',
    remove: 'Supprimer',
    remove_passkey: (date) => `Supprimer la clé d’accès ajoutée le ${date}`,
    remove_pin: 'Supprimer le code PIN',
    lock: 'Verrouiller maintenant',
  },
};
