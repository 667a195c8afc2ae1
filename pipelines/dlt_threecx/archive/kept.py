"""Which versions stay in a history when its past is archived."""

from __future__ import annotations

__all__ = ["kept_keys"]


def kept_keys(log: str) -> str:
    """SQL: the keys of those among the versions of `log`, a query for pbx, device_id, snapshot_id, change and online.

    Of each device: its last change, what was rebaselined after it, the last version, and the two by which one can see
    since when it is on line or off line.
    """
    return f"""
        with log as ({log}), ordered as (
            select l.pbx, l.device_id, l.snapshot_id, l.change,
                l.online is distinct from
                    lag(l.online) over (partition by l.pbx, l.device_id order by l.snapshot_id) as is_flip,
                lead(l.snapshot_id) over (partition by l.pbx, l.device_id order by l.snapshot_id) as next_id
            from log l
        ), marked as (
            select o.pbx, o.device_id, o.snapshot_id, o.change, o.next_id,
                max(case when o.change not in ('refreshed', 'rebaselined') then o.snapshot_id end)
                    over (partition by o.pbx, o.device_id) as changed_id,
                max(case when o.change = 'refreshed' and o.is_flip then o.snapshot_id end)
                    over (partition by o.pbx, o.device_id) as flip_id
            from ordered o
        )
        select m.pbx, m.device_id, m.snapshot_id from marked m
        where m.snapshot_id >= m.changed_id and (
            m.change <> 'refreshed' or m.next_id is null or m.snapshot_id = m.flip_id or m.next_id = m.flip_id
        )
    """  # noqa: S608  constants
