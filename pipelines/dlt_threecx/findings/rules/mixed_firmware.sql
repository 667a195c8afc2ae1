-- title: Other firmware than most phones of its model
-- severity: low
-- reason: Phones of one model with different firmware behave differently, and an update may have stopped half-way.
-- action: Bring all phones of the model to one firmware.
select o.pbx, o.device_id, greatest(o.since, o.usual_since) as since,
    'runs ' || o.firmware_version || ', but ' || o.usual_phones || ' of ' || o.all_phones || ' ' || o.model || ' run '
        || o.usual_firmware as detail
from (
    select g.*,
        max(case when g.place = 1 then g.firmware_version end) over (partition by g.pbx, g.vendor, g.model)
            as usual_firmware,
        max(case when g.place = 1 then g.phones_of_firmware end) over (partition by g.pbx, g.vendor, g.model)
            as usual_phones,
        max(case when g.place = 1 then g.firmware_since end) over (partition by g.pbx, g.vendor, g.model)
            as usual_since
    from (
        select p.pbx, p.device_id, p.vendor, p.model, p.firmware_version, p.phones_of_firmware, p.since,
            count(*) over (partition by p.pbx, p.vendor, p.model) as all_phones,
            min(p.since) over (partition by p.pbx, p.vendor, p.model, p.firmware_version) as firmware_since,
            row_number() over (
                partition by p.pbx, p.vendor, p.model
                order by p.phones_of_firmware desc, length(p.firmware_version) desc, p.firmware_version desc
            ) as place
        from {while v.firmware_version = p.firmware_version where p.phones_of_firmware < p.phones_of_model} p
        where p.model <> '' and p.firmware_version <> ''
    ) g
) o
where o.firmware_version <> o.usual_firmware
