"""The runs that a new run follows."""

from __future__ import annotations

from dlt_threecx.destinations.base import Destination
from dlt_threecx.integrity.runs import run_seal
from dlt_threecx.loading.recent import recent_since
from dlt_threecx.tables import finished_loads

__all__ = ["runs_before"]


def runs_before(destination: Destination) -> dict[str, str]:
    """Root → seal of the loaded runs that no other run follows yet; mostly one."""
    since = recent_since(destination)
    if since is None:
        return {}
    schema = destination.schema
    recent = f"""
        from {schema}.snapshots s
        where s.started_at > ? and s._dlt_load_id in {finished_loads(f"{schema}.")}
    """
    links = list(destination.rows(f"select distinct s.root, s.previous_root {recent}", [since]))
    followed = {root for _, previous in links if previous for root in previous.split(",")}
    last = {root for root, _ in links if root is not None} - followed
    rows: dict[str, set[tuple[str, str]]] = {root: set() for root in last}
    if last:
        sql = f"select s.root, s.pbx, s.chain {recent} and s.root in ({', '.join('?' for _ in last)})"
        for root, pbx, chain in destination.rows(sql, [since, *sorted(last)]):
            rows[root].add((pbx, chain))
    return {root: run_seal(found) for root, found in rows.items()}
