"""The control room: panels over one record of what happened, live, saved or replayed; needs `viz`.

`record` is what they show, a panel is a pure function of it; `stage` plays, `control_room` puts
the panels on a page and hears the clicks. `past` holds conflicts and history, `timing` the charts
over time, `report` the page that is saved.
"""
