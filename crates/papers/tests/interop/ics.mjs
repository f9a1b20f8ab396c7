// Reads .ics files with npm ical.js; zones come from the files themselves.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules, ...files] = process.argv.slice(2);
const { default: ICAL } = await import(pathToFileURL(`${modules}/ical.js/dist/ical.js`));
const uids = new Set();
const titles = new Set();
let zones = [];
for (const file of files) {
	const calendar = new ICAL.Component(ICAL.parse(readFileSync(file, 'utf8')));
	zones = calendar.getAllSubcomponents('vtimezone').map((zone) => zone.getFirstPropertyValue('tzid'));
	const component = calendar.getFirstSubcomponent('vevent');
	const event = new ICAL.Event(component);
	const utc = (time) => time.convertToZone(ICAL.Timezone.utcTimezone).toICALString().replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
	uids.add(event.uid);
	titles.add(event.summary.replace(/^Cancelled: /, ''));
	const method = calendar.getFirstPropertyValue('method');
	const status = component.getFirstPropertyValue('status');
	console.log(method, event.sequence, utc(event.startDate), utc(event.endDate), status);
}
console.log(`${uids.size} uid, zones ${zones.join(' ')}, title ${[...titles].join(' ')}`);
