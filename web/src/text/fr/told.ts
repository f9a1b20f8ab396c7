import type { Text } from '..';
import { problems } from './problems';

/** Units as the engine names them. */
const UNITS: Record<string, string> = { seconds: 'secondes', minutes: 'minutes', hours: 'heures' };

/** Names as the server quotes them, with French quotation marks. */
const quoted = (name: string): string => name.replace(/“(.*?)”/g, '« $1 »');

export const told: Text['told'] = {
  other_office: 'Ce lien provient d’un autre cabinet. Ne poursuivez pas.',
  link_used: 'Ce lien a déjà servi. Chaque lien vaut pour un seul appareil : demandez-en un autre à votre cabinet.',
  link_used_elsewhere:
    'Un autre appareil a ouvert ce lien avant celui-ci. Si ce n’était pas vous, prévenez immédiatement votre cabinet, par téléphone ou de vive voix : quelqu’un d’autre a peut-être ce lien.',
  link_closed: 'Ce lien n’est plus valable. Demandez-en un autre à votre cabinet.',
  link_expired: 'Ce lien a expiré. Demandez-en un nouveau à votre cabinet.',
  link_early: 'Ce lien n’est pas encore valable. Vérifiez l’horloge de cet appareil.',
  link_damaged:
    'Ce lien est altéré ou incomplet. Copiez-le en entier et ouvrez-le de nouveau, ou demandez-en un nouveau à votre cabinet.',
  link_again: 'Les clés de ce navigateur ont déjà servi. Demandez un autre lien à votre cabinet.',
  keys_unreadable: 'Les clés conservées dans ce navigateur sont illisibles. Demandez un autre lien à votre cabinet.',
  not_enrolled_here: (why) => `Cet appareil n’a pas été inscrit (${why}). Demandez un autre lien à votre cabinet.`,
  cannot_ask: (why) =>
    `La demande de cet appareil n’a pas été acceptée (${why}). Demandez un autre lien à votre cabinet.`,
  too_many_devices: (n, limit) =>
    `Cette personne a ${n} appareils, et le maximum est ${limit}. Révoquez d’abord l’un d’eux.`,
  not_registrar:
    'Cet appareil ne peut ni inviter, ni approuver, ni révoquer. Le détenteur de l’autorité du cabinet doit d’abord l’habiliter.',
  appointment_over: 'l’habilitation de cet appareil a pris fin',
  other_role: 'Cet appareil ne peut ni inviter ni approuver de personnes de ce rôle.',
  not_invited: (why) => `L’invitation n’a pas été faite : ${why}.`,
  own_clock: 'Une invitation vaut sept jours au plus. Vérifiez l’horloge de cet appareil.',
  too_many_invitations: 'Trop d’invitations sont ouvertes. Retirez-en d’abord quelques-unes.',
  invitation_closed: 'Cette invitation est déjà close.',
  other_words: (words, role, zone) =>
    `Cette personne est inscrite sous d’autres termes : ${quoted(words)}, ${role}, ${zone}. Pour un autre appareil, il faut un lien qui porte exactement ces termes. Pour employer d’autres termes, révoquez d’abord les appareils déjà inscrits.`,
  looks_like: (name, other) =>
    `${quoted(name)} se confond avec ${quoted(other)}, qui figure déjà ici. S’il s’agit de la même personne, utilisez « Ajouter un appareil » à côté de son nom. S’il s’agit d’une autre, choisissez des termes qui les distinguent.`,
  looks_like_link: (name, other) =>
    `${quoted(name)} se confond avec ${quoted(other)}, qui est déjà inscrit. Il faut un nouveau lien, qui précise s’il s’agit de la même personne.`,
  invitation_exists: 'Une invitation de même identifiant existe déjà. Invitez de nouveau.',
  forged_request: 'L’appareil qui a fait la demande ne détient pas le lien de cette invitation.',
  made_elsewhere: 'Cette invitation a été faite depuis un autre appareil. Lui seul peut approuver.',
  other_code: 'son code n’est pas celui que vous avez comparé',
  nobody_asked: 'aucun appareil n’a encore fait de demande',
  first_unverified: (why) =>
    `L’approbation du premier responsable de la sécurité n’a pas pu être vérifiée par cet appareil : ${why}.`,
  same_approver: 'Vous avez déjà approuvé cet appareil. Un autre responsable de la sécurité doit aussi l’approuver.',
  appointed_later:
    'Cet appareil a été habilité après la première approbation. Demandez au premier responsable d’approuver de nouveau, puis approuvez.',
  first_too_old:
    'L’approbation du premier responsable de la sécurité est trop ancienne. Demandez-lui d’approuver de nouveau, puis approuvez.',
  first_changed:
    'Le premier responsable de la sécurité a approuvé de nouveau. Comparez encore le code, puis approuvez.',
  first_void:
    'L’approbation du premier responsable de la sécurité n’est plus valable. Refusez cet appareil, puis invitez de nouveau.',
  not_approved: (why) => `L’appareil n’a pas été approuvé : ${why}.`,
  other_role_revoke: 'Cet appareil ne peut pas révoquer d’appareils de personnes de ce rôle.',
  revoked_already: 'Cet appareil est déjà révoqué.',
  not_revoked: (why) => `L’appareil n’a pas été révoqué : ${why}.`,
  being_enrolled:
    'Un responsable de la sécurité a approuvé cet appareil, en cours d’inscription. Si cela dure plus d’une minute, approuvez-le de nouveau.',
  recovery_failed: (why) => `La récupération n’a pas abouti : ${why}.`,
  recovery_unverified: (why) => `La déclaration sur cette récupération n’a pas pu être vérifiée : ${why}.`,
  recovery_not_genuine:
    'Cette récupération n’est pas ce que le serveur du cabinet en dit. Refusez-la et prévenez les autres responsables.',
  recovery_own:
    'Personne ne décide de sa propre récupération. Adressez-vous à deux autres responsables de la sécurité.',
  recovery_same: 'Vous avez ouvert cette récupération. Un autre responsable de la sécurité doit la confirmer.',
  recovery_open: 'Une récupération est déjà ouverte pour cette personne.',
  recovery_confirmed: 'Cette récupération est déjà confirmée.',
  recovery_over: 'Cette récupération est terminée.',
  recovery_role: 'Cet appareil ne peut pas récupérer l’accès de personnes de ce rôle.',
  recovery_void: 'La personne qui a ouvert cette récupération ne peut plus le faire. Refusez-la.',
  recovery_changed: 'Quelque chose a changé entre-temps. Regardez de nouveau la récupération, puis confirmez-la.',
  recovery_enrolling: 'Un appareil de cette personne est en cours d’inscription. Réessayez dans une minute.',
  too_many_recoveries: 'Trop de récupérations sont ouvertes. Mettez d’abord fin à certaines.',
  no_such_person: 'Aucun appareil de cette personne n’a jamais été inscrit ici.',
  recovery_two: 'Deux responsables de la sécurité doivent approuver l’appareil d’une personne récupérée.',
  recovery_second: 'Le responsable de la sécurité qui a ouvert cette récupération doit approuver l’appareil en second.',
  revocation_pending:
    'L’appareil est déconnecté. Sa révocation n’est pas encore inscrite au journal : le serveur de votre cabinet réessaie de lui-même.',
  no_such_device: 'Cet appareil n’est pas inscrit ici.',
  verify_again: 'Le serveur de votre cabinet n’a pas vérifié votre action. Recommencez.',
  request_changed:
    'Le serveur de votre cabinet détient une autre demande que celle que vous avez approuvée. Refusez-la, puis invitez de nouveau cette personne.',
  other_appointment:
    'Le serveur du cabinet a envoyé l’habilitation d’un autre appareil. Prévenez le détenteur de l’autorité du cabinet.',
  cannot_register: (why) =>
    `Cet appareil ne peut plus ni inviter ni approuver (${why}). Le détenteur de l’autorité du cabinet doit l’habiliter de nouveau.`,
  update_device: 'La version de Telcon de cet appareil est périmée. Rechargez la page pour la mettre à jour.',
  not_delegated: (why) => `Rien n’a été changé : ${why}.`,
  cannot_ring_for: (why) => `Vous ne pouvez pas appeler pour cette personne : ${why}.`,
  delegation_refused: (why) =>
    `Le droit d’une personne d’agir pour une autre n’a pas pu être vérifié : ${why}. Prévenez votre responsable de la sécurité.`,
  delegation_over: 'Cette délégation a pris fin.',
  delegation_early: 'Cette délégation n’a pas encore commencé : comparez les horloges des deux appareils.',
  delegation_act: 'Cette délégation ne permet pas cela.',
  for_themselves: 'On n’appelle pas quelqu’un en son propre nom.',
  delegation_again: 'Cette délégation a déjà été donnée, ou est échue. Recommencez.',
  delegate_unknown:
    'La personne qui doit agir n’a pas d’appareil ici, ou est inscrite sous d’autres mots. Choisissez-la de nouveau.',
  too_many_delegations: 'Trop de délégations pour cette personne. Mettez fin à l’une d’elles d’abord.',
  delegation_pending:
    'Le journal de votre cabinet est indisponible. Cela comptera dès qu’il sera de nouveau accessible.',
  delegation_clock: 'L’horloge de cet appareil diffère de celle de votre cabinet. Réglez-la, puis réessayez.',
  in_a_call: 'Mettez d’abord fin à l’appel en cours.',
  not_listed: 'Cette personne ne figure pas dans la liste de votre cabinet.',
  not_connected_offices: 'Cette personne relève d’un autre cabinet, auquel le vôtre n’est pas relié.',
  yourself: 'Vous ne pouvez pas vous appeler vous-même.',
  call_over: 'Cet appel est terminé, ou ne peut être rejoint.',
  old_ring: 'Un appel antérieur s’est répété. Il n’a pas été présenté.',
  ring_crossed: 'Un appel est arrivé par une ligne qui venait d’être arrêtée ou modifiée. Il n’a pas sonné ici.',
  call_crossed: 'La ligne a été arrêtée ou modifiée à cet instant, et il a été mis fin à l’appel.',
  line_stopped_here: 'Vous avez arrêté cette ligne sur cet appareil. Consultez vos lignes pour la réutiliser.',
  stop_refused: (why) =>
    `Vous avez arrêté une ligne alors que votre cabinet était injoignable, et elle n’a pas été arrêtée (${why}). Consultez vos lignes.`,
  unverified_ring: (why) =>
    `Un appel n’a pu être vérifié et n’a pas été présenté (${why}). Prévenez votre responsable de la sécurité.`,
  too_many: 'Trop d’appels en peu de temps. Patientez une minute, puis réessayez.',
  unreachable: 'Cette personne n’a pas d’appareil ici.',
  keys_lost:
    'Cette page a été rechargée, et aucun autre appareil n’a pu la réadmettre dans l’appel. Appelez de nouveau.',
  full: 'L’appel est complet : quelqu’un doit d’abord le quitter.',
  untrusted: (why) =>
    `Il a été mis fin à l’appel, car il n’était pas digne de confiance (${why}). Prévenez votre responsable de la sécurité.`,
  log_rewritten:
    'Le journal du cabinet a été modifié après coup. N’appelez plus, et prévenez votre responsable de la sécurité.',
  revoked_unproved:
    'Le serveur du cabinet affirme que cet appareil est révoqué, sans en donner la preuve. Consultez votre responsable de la sécurité.',
  other_call:
    'Le serveur du cabinet affirme que cet appareil participe à un autre appel. Prévenez votre responsable de la sécurité.',
  restarting: 'Le serveur de votre cabinet redémarre. Réessayez dans un instant.',
  no_note_taker: 'aucun rédacteur n’a participé à l’appel',
  not_delivered: 'un rédacteur a participé à l’appel, mais son procès-verbal n’est pas arrivé à temps',
  not_enrolled: 'Votre cabinet ne connaît pas cet appareil. Demandez-lui un nouveau lien d’inscription.',
  rings_you: 'Cette personne vous appelle en ce moment même : acceptez son appel.',
  ring_later: (seconds) =>
    `Cette personne a refusé l’appel ou n’a pas répondu. Vous pourrez la rappeler dans ${seconds} secondes.`,
  may_not_ring: 'Cette personne ne peut être appelée depuis cet appareil.',
  not_accepted: (why) =>
    `Votre cabinet n’a pas accepté l’appel (${why}). Appelez de nouveau ; si cela ne suffit pas, prévenez votre cabinet.`,
  not_opened:
    'Votre cabinet n’a pas ouvert cet appel. Appelez de nouveau ; si cela ne suffit pas, prévenez votre cabinet.',
  cannot_silence: 'Cette personne ne peut pas vous appeler : il n’y a rien à mettre en sourdine.',
  silenced_full: 'Votre liste d’appelants mis en sourdine est pleine. Laissez d’abord l’un d’eux sonner de nouveau.',
  answered_elsewhere: 'Cet appel a été pris sur un autre appareil, ou ne sonne plus ici.',
  being_let_in: 'Cet appareil est en train de rejoindre l’appel. Patientez un instant.',
  may_not_join: 'Cet appareil n’est pas autorisé à rejoindre cet appel.',
  not_in_call: 'Cet appareil ne participe plus à cet appel.',
  no_keys: 'Cet appareil n’a pu créer de clés pour l’appel. Rechargez la page, puis appelez de nouveau.',
  refused_admission: (why) => `Quelqu’un n’a pas été admis dans l’appel (${why}).`,
  no_sound: 'Votre cabinet n’a pu établir le son de cet appel. Réessayez dans un instant.',
  other_log:
    'Un appel ou un appareil a été présenté ici sans figurer au journal du cabinet. N’appelez plus, et prévenez votre responsable de la sécurité.',
  log_unsigned:
    'Le journal du cabinet n’est pas signé comme il devrait l’être. N’appelez plus, et prévenez votre responsable de la sécurité.',
  clock: (n, unit) =>
    `L’horloge de cet appareil et celle de votre cabinet diffèrent de ${n} ${UNITS[unit] ?? unit}. Des appels peuvent échouer tant qu’elles ne sont pas à l’heure.`,
  no_connection: 'La connexion à votre cabinet est interrompue. Réessayez à son retour.',
  confirm_again:
    'Confirmez avec votre clé d’accès ou votre code PIN : votre dernière confirmation remonte à plus de cinq minutes.',
  unlock_first: 'Déverrouillez cet appareil avec sa clé d’accès ou son code PIN.',
  passkey_refused: 'La clé d’accès n’a pas été acceptée. Réessayez avec celle de cet appareil.',
  passkey_unusable: 'La réponse de la clé d’accès n’a pas pu être utilisée. Rechargez la page, puis réessayez.',
  too_late: 'Le délai est écoulé, ou la demande a déjà été traitée. Réessayez.',
  too_many_passkeys: problems.too_many_protectors,
  too_many_pins: 'Cet appareil a trop de codes PIN. Supprimez-en d’abord un.',
  pin_waits: 'Trop d’essais de ce code PIN attendent. Réessayez dans une minute.',
  last_protector: problems.last_protector,
  pin_length: 'Un code PIN comporte de 6 à 64 caractères. Choisissez-en un autre.',
  pin_damaged:
    'Ce que cet appareil a conservé de son code PIN est altéré. Utilisez une clé d’accès, ou demandez un nouveau lien d’inscription à votre cabinet.',
  no_memory:
    'Cet appareil manque de mémoire libre pour vérifier un code PIN. Fermez d’autres programmes, puis réessayez.',
  other_address:
    'Cette page n’est pas à l’adresse de votre cabinet. Ouvrez Telcon à l’adresse que votre cabinet vous a donnée.',
  no_browser:
    'Votre cabinet n’admet aucun navigateur pour votre rôle. Demandez à votre responsable de la sécurité quel appareil utiliser.',
  place_is_browser: 'L’appareil d’un lieu est un navigateur, où chacun prend son poste avec sa clé d’accès.',
  no_shifts_here: 'Personne ne prend son poste sur cet appareil.',
  shift_unknown:
    'Votre cabinet ne connaît pas cette clé d’accès, ou l’appareil qu’elle protège est révoqué. Utilisez une clé d’accès qui protège l’un de vos appareils.',
  shift_own_passkey: 'Cette clé d’accès protège l’appareil partagé lui-même. Utilisez la vôtre.',
  shift_role:
    'Votre rôle ne vous permet pas de travailler dans ce lieu. Une personne dont le rôle le permet doit s’identifier.',
  shift_begins: 'Une personne s’identifie déjà sur cet appareil. Attendez un instant.',
  shift_ended_first:
    'Un appareil a été révoqué entre-temps, et personne n’a pris son poste. Demandez à votre responsable de la sécurité.',
  place_role: 'un lieu a le rôle de planificateur, d’officier de permanence, de rédacteur ou d’interprète',
  only_browsers:
    'Votre cabinet n’admet que des navigateurs pour votre rôle. Demandez un lien à votre responsable de la sécurité.',
  sso_away:
    'Le service de connexion de votre cabinet ne répond pas. Réessayez. Si cela persiste, prévenez votre cabinet.',
  sso_unconfirmed:
    'Le service de connexion de votre cabinet n’a pas confirmé votre identité. Connectez-vous de nouveau. Si cela persiste, prévenez votre responsable de la sécurité.',
  sso_other_account:
    'Ce compte n’est pas celui que votre cabinet connaît comme le vôtre. Connectez-vous avec le vôtre, ou adressez-vous à votre responsable de la sécurité.',
  sso_late: 'Cette connexion a pris trop de temps, ou elle est déjà terminée. Recommencez-la.',
  sso_other_device: 'Cette connexion a été commencée sur un autre appareil. Commencez-la ici.',
  sso_unusable: 'Cette page n’a pas pu commencer ou terminer la connexion. Rechargez-la, puis réessayez.',
  protect_first:
    'Protégez d’abord cet appareil par une clé d’accès ou un code PIN. Votre cabinet l’exige pour votre rôle.',
  not_this_role: 'Votre rôle ne le permet pas. Demandez à votre responsable de la sécurité qui peut le faire.',
  no_push_here: 'Ce cabinet n’envoie pas de notifications lorsque la page est fermée.',
  too_many_subscriptions: 'Trop d’appareils reçoivent des notifications. Désactivez-les d’abord sur un autre appareil.',
  push_not_reached:
    'Votre cabinet n’envoie rien au service de notification de ce navigateur. Demandez à l’exploitant du serveur de l’autoriser.',
  push_again: 'La réponse de ce navigateur n’a pas pu être utilisée. Activez de nouveau les notifications.',
  disk_full: 'Le disque du serveur de votre cabinet est plein. Prévenez votre cabinet.',
  server_failed: 'Le serveur de votre cabinet est en panne. Réessayez ; si cela ne suffit pas, prévenez votre cabinet.',
  too_often: 'Trop de demandes à la fois. Patientez un instant, puis réessayez.',
  too_long: 'Le serveur de votre cabinet a envoyé plus que cet appareil n’accepte. L’envoi a été ignoré.',
  no_such_call: 'Votre cabinet ne connaît pas cet appel, ou cet appareil ne peut pas le consulter.',
  list_changed: 'La liste des appels a changé entre-temps. Rechargez la page.',
  log_behind:
    'Le serveur de votre cabinet a une version moins avancée du journal que cet appareil. Réessayez dans un instant ; si cela ne suffit pas, prévenez votre responsable de la sécurité.',
  code_digits: 'Un code ne contient que des chiffres. Saisissez les dix chiffres qui vous ont été lus.',
  code_length: 'Un code a dix chiffres. Saisissez-les tous, tels qu’ils vous ont été lus.',
  code_not_proved:
    'Celui qui a répondu ne connaît pas ce code. Vérifiez-le avec la personne qui vous l’a lu. S’il est juste, prévenez votre responsable de la sécurité : quelqu’un s’est peut-être interposé.',
  code_used:
    'Ce code a déjà servi. Si ce n’était pas vous, prévenez immédiatement la personne qui vous l’a lu : quelqu’un d’autre l’a peut-être.',
  code_guessed: 'Ce code est bloqué, parce que des codes erronés ont été saisis. Demandez un nouveau code.',
  code_expired: 'Ce code a expiré. Demandez un nouveau code.',
  code_gone: 'L’appareil qui affichait ce code n’est pas connecté. Demandez un nouveau code.',
  code_too_many: 'Ce code est bloqué, parce qu’il a été essayé trop souvent. Demandez un nouveau code.',
  code_again: 'La connexion a été interrompue. Saisissez de nouveau le code.',
  code_unknown: 'Aucun code de ce numéro n’est en cours. Vérifiez-le, ou demandez un nouveau code.',
  code_no_answer: 'L’appareil qui affiche ce code ne répond pas. Réessayez, ou demandez un nouveau code.',
  code_not_here: 'Un code ne s’affiche que pour une invitation ouverte, sur l’appareil qui l’a créée.',
  code_late:
    'Le code a été saisi sur un autre appareil aussi. N’approuvez l’appareil qui demande que si son code est exactement celui que la personne vous lit.',
  nothing_said: 'personne n’a répondu, rien n’a donc été dit',
  answer_unknown: 'l’appel a pris fin avant que le cabinet n’apprenne une réponse',
  recovery_old: 'Cette récupération a été ouverte il y a plus d’un jour, ou une horloge est fausse. Rouvrez-la.',
  signs_in_too_often:
    'Cet appareil se connecte trop souvent. Patientez une minute et vérifiez que la page n’est ouverte qu’une fois.',
  expired_by_server_clock:
    'D’après l’horloge du serveur de votre cabinet, le certificat de cet appareil a expiré. Si ce n’est pas normal, demandez à votre cabinet de vérifier cette horloge. Sinon, demandez un nouveau lien d’inscription.',
  line_refused: (why) => `Une ligne n’a pas pu être vérifiée (${why}). Prévenez votre responsable de la sécurité.`,
  line_not_given: (why) => `Aucune ligne n’a été donnée : ${why}.`,
  line_not_confirmed: (why) => `La ligne n’a pas été confirmée : ${why}.`,
  line_not_changed: (why) => `La ligne n’a pas été modifiée : ${why}.`,
  lines_unverified: (why) =>
    `La liste des lignes de votre cabinet en contient une qui n’a pas pu être vérifiée (${why}). Prévenez votre responsable de la sécurité.`,
  lines_older:
    'La liste des lignes de votre cabinet montre d’une ligne une version plus ancienne que celle déjà vue par cet appareil. Prévenez votre responsable de la sécurité.',
  line_not_listed: 'cette personne ne figure pas dans la liste de votre cabinet, ou n’a pas besoin de ligne',
  line_not_yours: 'cette ligne n’est pas la vôtre',
  line_no_call: 'aucun appel par une ligne n’est en cours',
  line_freeze_them:
    'Seuls la personne qui a donné cette ligne et un responsable de la sécurité peuvent la geler. Prévenez-les.',
  line_elsewhere: 'elle a été donnée depuis un autre appareil, qui doit répondre',
  line_confirmed_by_giver:
    'la personne qui donne une ligne confirme qui l’a prise, et un responsable de la sécurité tout autre appareil',
  line_zone: 'le fuseau de ses heures n’est pas connu : choisissez-en un autre',
  line_limits: 'ce qu’elle permet dépasse ses limites : choisissez de nouveau',
  line_too_many_open: 'trop de vos lignes attendent d’être prises : retirez-en d’abord quelques-unes',
  line_too_many: 'le nombre de lignes est à son maximum : mettez d’abord fin à certaines',
  lines_none: 'La charte de ce cabinet ne prévoit pas de lignes : on y appelle selon son rôle.',
  line_use_first: 'Réactivez d’abord la ligne, puis changez ce qu’elle permet.',
  line_known: 'cette personne est connue ici, et ne détient aucune de vos lignes : choisissez d’autres termes',
  line_log_pending: 'Le journal de votre cabinet ne peut pas être écrit. La modification vaudra dès qu’il le pourra.',
  line_pending: 'sa dernière modification n’est pas encore au journal : réessayez dans un instant',
  line_not_lost:
    'le serveur de votre cabinet dit avoir perdu une version qui n’est pas plus récente : prévenez votre responsable de la sécurité',
  line_changed: 'elle a été modifiée entre-temps : regardez-la de nouveau, puis réessayez',
  attestation_unverified: (why) =>
    `Ce que votre cabinet a dit de qui a pris cette ligne n’est pas vérifié par cet appareil : ${why}.`,
  attestation_other: 'Ce n’est pas la ligne qui a été proposée. Retirez-la, et proposez-en une autre.',
  offered_for_other: 'cette ligne a été proposée pour une autre personne, qui doit la confirmer',
  not_compared: 'les chiffres de cette ligne n’ont pas encore été comparés',
  attested_already: 'cela a déjà été envoyé, et attend une confirmation',
  offerer_revoked: 'l’appareil qui a proposé cette ligne a été révoqué : refusez-la, et donnez-en une autre',
  line_same_people: 'une ligne reste entre les mêmes personnes : mettez-y fin, et donnez-en une autre',
  line_again: 'elle a déjà été donnée : donnez-en une autre',
  line_other_people: 'la ligne est entre d’autres personnes',
  line_restored:
    'le serveur de votre cabinet a été restauré d’une sauvegarde : la personne qui a donné cette ligne doit la confirmer en la modifiant',
  line_mode: 'cette ligne exige que l’appel laisse plus de traces : appelez de nouveau',
  line_hours_in: (zone) => `cette ligne ne sert qu’à certaines heures, à l’heure de ${zone}`,
  line_often: (n) => `cette ligne peut servir ${n} fois en 24 heures, ce qui est fait : appelez plus tard`,
  promise_limit: 'un appel se promet dans les douze heures : choisissez un moment plus proche',
  line_ended: 'cette ligne est terminée : demandez-en une autre',
  line_paused: 'cette ligne est suspendue : réessayez plus tard, ou demandez un appel programmé au cabinet',
  line_suspect:
    'cette ligne est gelée, parce que quelqu’un a douté de son détenteur : la personne qui l’a donnée doit d’abord vérifier',
  line_planned: 'cette ligne sert aux appels programmés seulement : demandez-en un au cabinet',
  line_hours: 'cette ligne ne peut pas servir à cette heure',
  line_giver: 'seul l’appareil d’un dirigeant donne une ligne, et seulement à un correspondant extérieur',
  line_device: 'l’appel vient d’un appareil qui ne détient pas la ligne',
  line_missing: 'l’appel est venu sans ligne, et votre cabinet en exige une',
  other_line: 'l’appel désigne une autre ligne que celle qui l’accompagne',
  device_key: 'les clés de cet appareil ne correspondent pas à son certificat : inscrivez-le de nouveau',
  certificate_expired: 'le certificat d’un appareil a expiré, il faut l’inscrire de nouveau',
  certificate_early: 'le certificat d’un appareil n’est pas encore valable : vérifiez l’horloge des deux appareils',
  authority_ends: 'le certificat de l’autorité du cabinet prend fin trop tôt : prévenez le détenteur de cette autorité',
  ring_old: 'l’appel est trop ancien : vérifiez l’horloge des deux appareils',
  ring_future: 'l’appel est daté du futur : vérifiez l’horloge des deux appareils',
  ring_not_allowed: 'cet appel n’est pas de ceux que le cabinet autorise',
  other_suite: 'il ne s’agit pas de la suite cryptographique de votre cabinet : inscrivez de nouveau cet appareil',
  foreign: 'les données proviennent d’un autre cabinet',
  bad_name: 'un nom est vide, dépasse 64 caractères ou contient des caractères qui ne sont pas admis',
  bad_zone: 'le fuseau horaire doit s’écrire comme dans Europe/Oslo',
  bad_signature: 'une signature n’est pas valable',
  bad_certificate: 'un certificat n’est pas de ceux que délivre ce cabinet',
  not_in_log: 'le journal du cabinet ne le prouve pas',
  not_genuine: 'les données ne sont pas authentiques',
  reader_of_other_side: 'Un lecteur fait partie de l’autre camp. Choisissez des personnes de votre cabinet.',
};
