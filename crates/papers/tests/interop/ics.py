"""Reads .ics files with PyPI icalendar; zones come from the files themselves."""
import datetime
import sys

import icalendar

uids, zones, titles = set(), [], set()
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        calendar = icalendar.Calendar.from_ical(file.read())
    assert not calendar.errors, calendar.errors
    built = {str(zone["TZID"]): zone.to_tz(lookup_tzid=False) for zone in calendar.walk("VTIMEZONE")}
    zones = list(built)
    (event,) = calendar.walk("VEVENT")
    assert not event.errors, event.errors

    def utc(name):
        value = event[name]
        local = value.dt.replace(tzinfo=built[value.params["TZID"]])
        # Times are compared by the rules of the file, not by those of this machine.
        return local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    uids.add(str(event["UID"]))
    titles.add(str(event["SUMMARY"]).removeprefix("Cancelled: "))
    print(calendar["METHOD"], event["SEQUENCE"], utc("DTSTART"), utc("DTEND"), event["STATUS"])
print(f"{len(uids)} uid, zones {' '.join(zones)}, title {' '.join(titles)}")
