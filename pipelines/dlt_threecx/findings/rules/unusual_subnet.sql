-- title: Address outside the usual subnets
-- severity: info
-- reason: At least four of five phones of this PBX are in subnets (/24) of five or more; this one is alone in its own.
-- It may be plugged in at the wrong place. Phones behind an SBC are left out.
-- action: Check where it stands, and its VLAN.
select o.pbx, o.device_id, o.since, o.ip_address || ', alone in ' || o.subnet || '0/24' as detail
from {while starts_with(v.ip_address, p.subnet)
    where p.phones_of_subnet = 1 and p.phones_in_subnets >= 20 and p.share_with_neighbours >= 0.8
} o
