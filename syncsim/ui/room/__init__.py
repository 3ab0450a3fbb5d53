"""The control room: panels over one record of what happened, live, saved or replayed; needs `viz`.

`run_view` is what they show, and a panel is a pure function of it; `run_session` keeps the runs,
`control_room` puts the panels on a page and hears the clicks. `versions` holds conflicts and
history, `timing` the charts over time, `report` the page that is saved.
"""
