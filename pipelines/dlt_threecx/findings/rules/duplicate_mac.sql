-- title: The same MAC address twice in a PBX
-- severity: medium
-- reason: One phone is set up twice: both entries provision it, and the last one wins. DECT devices are left out, because
-- the handsets of a base share its address. Where the API does not say what is DECT, the model decides.
-- action: Find out which entry the phone uses, and delete the other.
select o.pbx, o.device_id, o.mac || ' is also of device ' || case
        when o.device_id = o.lowest then o.highest else o.lowest end as detail,
    greatest(o.since, max(case when o.place = 2 then o.since end) over (partition by o.pbx, o.mac)) as since
from (
    select p.*,
        min(p.device_id) over (partition by p.pbx, p.mac) as lowest,
        max(p.device_id) over (partition by p.pbx, p.mac) as highest,
        row_number() over (partition by p.pbx, p.mac order by p.since, p.device_id) as place
    from {while v.mac = p.mac where p.entries_of_mac > 1} p
    where p.mac not in ('', '000000000000', 'FFFFFFFFFFFF')
        and not coalesce(p.is_dect_device, regexp_matches(
            lower(coalesce(p.model, '')),
            '^(sip-)?w[5-9][0-9]([a-z]|$)|^m[0-9][0-9][0-9]([^0-9]|$)|^n[5-9][0-9][0-9]([^0-9]|$)|^dp7|^kx-tgp|dect'
        ))
) o
where o.lowest <> o.highest
