-- title: The same MAC address on several PBXs
-- severity: medium
-- reason: A phone belongs to one PBX. It was moved and its old entry was not deleted, or somebody set it up
-- twice.
-- action: Delete it on the PBX that it has left.
select o.pbx, o.device_id, o.mac || ' is also on ' || case
        when o.pbx = o.lowest then o.highest else o.lowest end as detail,
    greatest(o.since, max(case when o.place = 2 then o.since end) over (partition by o.mac)) as since
from (
    select p.*,
        min(p.pbx) over (partition by p.mac) as lowest,
        max(p.pbx) over (partition by p.mac) as highest,
        row_number() over (partition by p.mac order by p.since, p.pbx, p.device_id) as place
    from {while v.mac = p.mac where p.entries_of_mac_anywhere > p.entries_of_mac} p
    where p.mac not in ('', '000000000000', 'FFFFFFFFFFFF')
) o
where o.lowest <> o.highest
