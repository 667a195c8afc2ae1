"""Phones of all 3CX systems, as a marimo notebook over the published copy.

    pip install marimo duckdb polars pyarrow altair
    THREECX_BI=bi/threecx_bi.duckdb marimo run bi/threecx.py      # or: marimo edit
"""

import marimo

__generated_with = "0.25.2"

app = marimo.App(width="medium", app_title="Phones of all 3CX systems")


@app.cell
def _():
    import os

    import altair
    import duckdb
    import marimo as mo

    return altair, duckdb, mo, os


@app.cell
def _(duckdb, os):
    # Read-only, and closed after each question: the next one sees the copy that is newest then.
    file = os.environ.get("THREECX_BI", "bi/threecx_bi.duckdb")

    def ask(query, *values):
        """The rows of a query as a polars frame; times are UTC."""
        with duckdb.connect(file, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("use threecx_bi.threecx")
            return connection.sql(query, params=list(values)).pl()

    return (ask,)


@app.cell
def _(ask, mo):
    published = ask("select published_at from publication").item()
    pbxs = ask("select distinct pbx from pbx_status order by pbx")["pbx"].to_list()
    chosen = mo.ui.multiselect(pbxs, value=pbxs, label="PBX")
    mo.vstack([mo.md(f"# Phones of all 3CX systems\nThe copy is of {published:%Y-%m-%d %H:%M} UTC."), chosen])
    return (chosen,)


@app.cell
def _(ask, chosen, mo):
    status = ask(
        """
        select pbx, last_complete_at, last_status, last_reason, devices, changes_24h, changes_7d
        from pbx_status where list_contains(?, pbx) order by last_complete_at nulls first
        """,
        chosen.value,
    )
    mo.vstack([mo.md("## Freshness"), status])
    return (status,)


@app.cell
def _(altair, ask, chosen, mo):
    inventory = ask(
        """
        select day, coalesce(vendor, 'unknown') as vendor, sum(devices)::bigint as devices
        from daily_inventory where list_contains(?, pbx) group by all order by all
        """,
        chosen.value,
    )
    _chart = altair.Chart(inventory).mark_area().encode(x="day:T", y="devices:Q", color="vendor:N")
    mo.vstack([mo.md("## Phones over time"), _chart])
    return (inventory,)


@app.cell
def _(altair, ask, chosen, mo):
    changes = ask(
        """
        select day, category, sum(devices)::bigint as devices
        from daily_changes
        where list_contains(?, pbx) and not is_initial_load and category <> 'presence'
        group by all order by all
        """,
        chosen.value,
    )
    _chart = altair.Chart(changes).mark_bar().encode(x="day:T", y="devices:Q", color="category:N")
    mo.vstack([mo.md("## Changes by category"), _chart])
    return (changes,)


@app.cell
def _(ask, chosen, mo):
    findings = ask(
        """
        select severity, title, pbx, dn_number, dn_name, vendor, model, detail, since, what_to_do
        from findings where list_contains(?, pbx) order by severity_rank, since, pbx, device_id
        """,
        chosen.value,
    )
    mo.vstack([mo.md("## Findings"), findings])
    return (findings,)


if __name__ == "__main__":
    app.run()
