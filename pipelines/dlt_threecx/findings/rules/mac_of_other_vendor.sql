-- title: MAC address of another maker
-- severity: medium
-- reason: The address belongs to another maker than the phone names. The phone is not what it says, or its address is
-- made up. Only the address ranges of the usual makers are known, from the IEEE registry of October 2026.
-- action: Look at the phone.
select p.pbx, p.device_id, p.since, p.vendor || ' with ' || p.mac || ', which belongs to ' || p.maker as detail
from {while v.mac = p.mac and v.vendor = p.vendor
    where strpos(lower(p.vendor), lower(p.maker)) = 0
    and lower(p.vendor) in (
        'snom', 'poly', 'polycom', 'grandstream', 'yealink', 'htek', 'gigaset', 'sangoma', 'patton', 'akuvox', 'fanvil'
    )
} p
