-- title: Other firmware than most phones of its model
-- severity: low
-- reason: Phones of one model with different firmware behave differently, and an update may have stopped half-way.
-- action: Bring all phones of the model to one firmware.
select o.pbx, o.device_id, greatest(o.since, u.since) as since,
    'runs ' || o.firmware_version || ', but ' || u.phones || ' of ' || u.all_phones || ' ' || o.model || ' run '
        || u.firmware_version as detail
from {while v.firmware_version = p.firmware_version and p.phones_of_firmware < p.phones_of_model} o
join (
    select m.pbx, m.vendor, m.model, m.firmware_version, m.phones, m.since,
        sum(m.phones) over (partition by m.pbx, m.vendor, m.model) as all_phones,
        row_number() over (
            partition by m.pbx, m.vendor, m.model
            order by m.phones desc, length(m.firmware_version) desc, m.firmware_version desc
        ) as place
    from (
        select p.pbx, p.vendor, p.model, p.firmware_version, count(*) as phones, min(p.since_mixed_firmware) as since
        from lasting p
        where p.model <> '' and p.firmware_version <> ''
        group by p.pbx, p.vendor, p.model, p.firmware_version
    ) m
) u on u.pbx = o.pbx and u.vendor is not distinct from o.vendor and u.model = o.model and u.place = 1
where o.firmware_version <> '' and o.firmware_version <> u.firmware_version
