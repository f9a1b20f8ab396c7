import type { Text } from '..';
import { plural } from '../format';
import { isolate } from '../isolate';
import { alert_kinds } from './alert_kinds';
import { mid, of } from './names';

export const alerts: Text['alerts'] = {
  title: 'Alertes',
  intro:
    'Chaque alerte est une entrée du journal du cabinet : un auditeur peut vérifier qu’il n’en manque aucune ici. La marquer comme vue ne cache rien.',
  intro_auditor:
    'Chaque alerte est une entrée du journal du cabinet : comparez cette liste au journal pour trouver celle qui manquerait. Les responsables de la sécurité marquent celles qu’ils ont vues.',
  unseen: (n, count) => `${count} ${plural(n, { one: 'alerte non vue', other: 'alertes non vues' })}`,
  not_seen: (n) => plural(n, { one: 'non vue', other: 'non vues' }),
  levels: { red: 'À traiter immédiatement', amber: 'À vérifier', quiet: 'Pour information' },
  means: 'Ce que cela signifie',
  act: 'Ce qu’il faut faire',
  entry: (index) => `Entrée ${index} du journal`,
  times: (count) => `${count} fois depuis l’alerte précédente`,
  device_of: (title, name) => `Appareil ${of(name)} : ${isolate(title)}`,
  not_enrolled: 'Des appareils qui ne sont pas inscrits ici',
  unknown_device: 'Un appareil absent de la liste',
  device_id: (id) => `Appareil ${id}…`,
  ask: (index) => `Interrogez le responsable de la sécurité sur l’entrée ${index} du journal.`,
  show_devices: 'Afficher les appareils',
  see: 'Marquer comme vue',
  see_one: (what) => `Marquer comme vue : ${what}`,
  see_all: 'Marquer toutes ces alertes comme vues',
  seen: (name, time) => `Vue par ${mid(name)}, ${time}`,
  an_officer: 'un responsable de la sécurité',
  older: 'Afficher les alertes plus anciennes',
  kinds: {
    device_asked: {
      what: alert_kinds.device_asked,
      means: 'Quelqu’un a ouvert le lien d’une invitation. L’appareil ne peut rien faire avant d’être approuvé.',
      act: 'Faites-vous lire le code par la personne, au téléphone ou de vive voix, puis approuvez. Refusez si les codes diffèrent.',
    },
    device_enrolled: {
      what: alert_kinds.device_enrolled,
      means: 'Il peut désormais appeler, répondre ou écouter selon le rôle de la personne.',
      act: 'Si vous ne vous y attendiez pas, révoquez-le immédiatement et demandez qui l’a approuvé.',
    },
    device_refused: {
      what: alert_kinds.device_refused,
      means:
        'Un responsable de la sécurité ne l’a pas approuvé. Il n’est pas inscrit, et son lien ne peut plus servir.',
      act: 'Si ce n’était pas vous, demandez à ce responsable pourquoi. Pour permettre un nouvel essai, invitez de nouveau la personne.',
    },
    device_revoked: {
      what: alert_kinds.device_revoked,
      means:
        'Il est déconnecté, ses appels ont pris fin et il ne peut plus rien faire. Si un responsable de la sécurité l’a ordonné, il efface aussi ses clés dès qu’il se connecte.',
      act: 'Si vous ne vous y attendiez pas, demandez aux autres responsables et au détenteur de l’autorité ce qui s’est passé.',
    },
    recovery_opened: {
      what: alert_kinds.recovery_opened,
      means:
        'Un responsable de la sécurité l’a déclaré. Rien ne se passe tant qu’un autre responsable ne l’a pas confirmé.',
      act: 'Parlez à la personne avant toute confirmation. Si elle a ses appareils, refusez la récupération et demandez pourquoi à ce responsable.',
    },
    recovery_confirmed: {
      what: alert_kinds.recovery_confirmed,
      means:
        'Les anciens appareils sont révoqués et s’effacent. Un nouvel appareil peut faire sa demande, et les deux responsables doivent l’approuver.',
      act: 'Si la personne ne l’a pas demandé, refusez tout de suite la récupération et prévenez le détenteur de l’autorité.',
    },
    recovery_closed: {
      what: alert_kinds.recovery_closed,
      means:
        'Soit un nouvel appareil de la personne est inscrit, soit la récupération a été retirée, refusée ou a trop duré.',
      act: 'Si un appareil a été inscrit, assurez-vous auprès de la personne que c’est bien le sien.',
    },
    link_opened_again: {
      what: alert_kinds.link_opened_again,
      means: 'Soit la personne a essayé un autre appareil, soit quelqu’un d’autre a le lien.',
      act: 'Demandez à la personne si c’était elle. Sinon, refusez l’appareil et envoyez un nouveau lien par une autre voie.',
    },
    registrar_appointed: {
      what: alert_kinds.registrar_appointed,
      means:
        'Il peut désormais inviter des personnes et approuver leurs appareils. Seul le détenteur de l’autorité peut l’habiliter.',
      act: 'Si vous ne vous y attendiez pas, révoquez cet appareil et demandez qui s’est servi de la clé de l’autorité.',
    },
    sign_in_failed: {
      what: alert_kinds.sign_in_failed,
      means:
        'Quelqu’un s’est présenté comme un appareil sans en avoir la clé, comme un appareil qui n’est pas inscrit, ou avec un compte du cabinet qui n’est pas le sien. Aucun accès ne lui a été donné.',
      act: 'Un échec isolé peut venir d’un navigateur dont les données ont été restaurées. Si cela se répète, demandez à la personne si c’était elle, et prévenez l’exploitant du serveur.',
    },
    account_linked: {
      what: alert_kinds.account_linked,
      means:
        'Désormais, cette personne se connecte avec ce compte et aucun autre. La liste des appareils en indique le nom.',
      act: 'Vérifiez que ce compte est le sien. Sinon, révoquez cet appareil et faites oublier le compte.',
    },
    ring_refused: {
      what: alert_kinds.ring_refused,
      means:
        'Sa signature ou son certificat n’est pas valable. Les programmes de Telcon n’émettent pas de tels appels. Celui-ci n’a pas été transmis.',
      act: 'Demandez à la personne de ne plus utiliser l’appareil. Révoquez-le, sauf explication anodine.',
    },
    proof_invalid: {
      what: alert_kinds.proof_invalid,
      means:
        'Lors d’un appel, un certificat, une signature ou une preuve du journal n’était pas valable. L’appareil a mis fin à l’appel ou en a écarté quelqu’un.',
      act: 'Parlez à la personne par un autre moyen. Faites examiner le serveur avant le prochain appel confidentiel.',
    },
    log_forked: {
      what: alert_kinds.log_forked,
      means:
        'Ce journal n’est pas la suite de celui que l’appareil avait vu. Il a peut-être été réécrit, ou peut-être plusieurs personnes reçoivent-elles des journaux différents.',
      act: 'Suspendez les appels confidentiels. Gardez une copie des archives, vérifiez-la avec le point de contrôle de l’appareil, et faites examiner le serveur.',
    },
    ring_invalid: {
      what: alert_kinds.ring_invalid,
      means:
        'Quelqu’un a tenté d’appeler sous un faux nom, ou le serveur a modifié l’appel. Il n’a pas été présenté à la personne comme un appel.',
      act: 'Parlez à la personne par un autre moyen. Faites examiner le serveur, et comparez les appels du journal.',
    },
    code_guessed: {
      what: alert_kinds.code_guessed,
      means:
        'Cet appareil affichait un code pour une inscription, et trois codes erronés ont été saisis. La personne s’est trompée, ou quelqu’un a essayé de deviner. Rien n’a été remis.',
      act: 'Demandez à la personne si elle s’est trompée. Sinon, remettez le lien par un autre moyen, et prévenez l’exploitant du serveur.',
    },
    line_suspect: {
      what: alert_kinds.line_suspect,
      means:
        'La personne appelée, ou sa permanence, a dit que l’appelant n’est pas le détenteur de la ligne. Elle ne peut plus servir pour le moment.',
      act: 'Parlez au détenteur par un autre moyen. Si son appareil est perdu, mettez fin à la ligne. Le dirigeant peut la remettre en service, ou en donner une autre.',
    },
  },
  added: {
    approved: (label, name, time) =>
      `Un nouvel appareil a été ajouté à votre nom : ${isolate(label)}, approuvé par ${mid(name)}, ${time}. Si vous ne vous y attendiez pas, prévenez immédiatement votre responsable de la sécurité.`,
    by_link: (time) =>
      `Un nouvel appareil a été ajouté à votre nom, au moyen d’un lien de votre cabinet, ${time}. Si vous ne vous y attendiez pas, prévenez immédiatement votre responsable de la sécurité.`,
    done: 'Je m’y attendais',
  },
  empty: { title: 'Aucune alerte', sentence: 'Ce qui touche à la sécurité de ce cabinet apparaît ici.' },
  loading: { title: 'Un instant', sentence: 'La liste des alertes est en cours de chargement.' },
  no_connection: { title: 'Pas de connexion', sentence: 'La liste des alertes apparaîtra au retour de la connexion.' },
  failed: 'La liste des alertes n’a pas pu être chargée',
  stale:
    'Hors ligne. Cette liste est peut-être périmée. Vous pourrez marquer des alertes comme vues au retour de la connexion.',
  not_refreshed: (why) => `Cette liste est peut-être périmée : elle n’a pas pu être actualisée. ${why}`,
};
