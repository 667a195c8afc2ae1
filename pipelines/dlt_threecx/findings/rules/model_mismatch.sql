-- title: Another model than its template
-- severity: medium
-- reason: The phone is another model than the one that it was set up as. Its keys and screen do not fit.
-- action: Choose the right template in the console, under Phones.
select p.pbx, p.device_id, p.since,
    coalesce(nullif(p.model, ''), 'another model') || ' instead of '
        || coalesce(nullif(p.template_model, ''), 'its template') as detail
from {while v.model_mismatch} p
