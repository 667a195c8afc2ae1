-- title: Extension with several phones
-- severity: info
-- reason: All of them ring, and each can hear the voicemail. This may be intended, or an old phone was
-- not removed.
-- action: Remove the phones that are not used.
select o.pbx, o.device_id, o.dn_number || ' has ' || o.phones || ' phones' as detail,
    greatest(o.since, max(case when o.place = 2 then o.since end) over (partition by o.pbx, o.dn_number)) as since
from (
    select p.*,
        count(*) over (partition by p.pbx, p.dn_number) as phones,
        row_number() over (partition by p.pbx, p.dn_number order by p.since, p.device_id) as place
    from {while v.dn_number = p.dn_number where p.phones_of_number > 1} p
    where p.dn_number <> '' and coalesce(p.dn_type, 'Extension') = 'Extension'
) o
where o.phones > 1
