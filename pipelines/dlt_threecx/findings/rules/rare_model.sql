-- title: Rare model
-- severity: info
-- reason: This PBX has 50 phones or more, and at most two of this model. It may be left over, a trial, or somebody's own.
-- action: Check whose it is; replace it if it is not meant to be there.
select o.pbx, o.device_id, o.since, o.model || ': ' || o.phones_of_model || ' of ' || a.phones || ' phones' as detail
from {while v.model = p.model where p.phones_of_model <= 2} o
join (select p.pbx, count(*) as phones from phones p where p.model <> '' group by p.pbx) a on a.pbx = o.pbx
where o.model <> '' and a.phones >= 50
