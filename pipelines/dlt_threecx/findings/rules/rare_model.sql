-- title: Rare model
-- severity: info
-- reason: This PBX has 50 phones or more, and at most two of this model. It may be left over, a trial, or somebody's own.
-- action: Check whose it is; replace it if it is not meant to be there.
select o.pbx, o.device_id, o.since, o.model || ': ' || m.phones || ' of ' || a.phones || ' phones' as detail
from {while v.model = p.model and p.phones_of_model <= 2} o
join (
    select p.pbx, p.vendor, p.model, count(*) as phones from phones p group by p.pbx, p.vendor, p.model
) m on m.pbx = o.pbx and m.vendor is not distinct from o.vendor and m.model = o.model
join (select p.pbx, count(*) as phones from phones p where p.model <> '' group by p.pbx) a on a.pbx = o.pbx
where o.model <> '' and m.phones <= 2 and a.phones >= 50
