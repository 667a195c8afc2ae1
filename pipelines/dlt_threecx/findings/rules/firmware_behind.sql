-- title: Firmware is behind
-- severity: medium
-- reason: There is newer firmware for this phone. It fixes faults and security holes of the one that is running.
-- action: Update it in the console, under Phones.
select p.pbx, p.device_id, p.since,
    'runs ' || coalesce(p.firmware_version, 'unknown firmware') || case
        when lower(p.firmware_available) not in ('', 'true', 'false') then ', newest is ' || p.firmware_available
        when p.firmware_latest_id <> '' then ', newest is ' || p.firmware_latest_id
        else ', and there is newer' end as detail
from {while case
    when v.firmware_outdated is not null then v.firmware_outdated
    else lower(v.firmware_available) not in ('', 'false') and v.firmware_available is distinct from v.firmware_version
end} p
