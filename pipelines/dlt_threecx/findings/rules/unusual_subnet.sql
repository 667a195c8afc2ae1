-- title: Address outside the usual subnets
-- severity: info
-- reason: At least four of five phones of this PBX are in subnets (/24) of five or more; this one is alone in its own.
-- It may be plugged in at the wrong place. Phones behind an SBC are left out.
-- action: Check where it stands, and its VLAN.
select o.pbx, o.device_id, o.since, o.ip_address || ', alone in ' || o.subnet || '0/24' as detail
from (
    select n.*, avg(case when n.neighbours >= 5 then 1.0 else 0.0 end) over (partition by n.pbx) as settled,
        count(*) over (partition by n.pbx) as phones
    from (
        select p.*, count(*) over (partition by p.pbx, p.subnet) as neighbours
        from {while starts_with(v.ip_address, p.subnet)} p
        where coalesce(p.sbc_name, '') = ''
    ) n
) o
where o.neighbours = 1 and o.settled >= 0.8 and o.phones >= 20
