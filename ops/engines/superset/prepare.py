# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false
"""Brings Superset's metadata up to date: tables, permissions, roles, and an administrator whom nobody can be yet."""

import secrets

from flask_migrate import upgrade
from superset.app import create_app
from superset.extensions import appbuilder, db, security_manager

app = create_app()
with app.app_context():
    upgrade(directory=f"{app.root_path}/migrations")

# Only now are the tables there that the parts of the application look for when it starts.
app = create_app()
with app.app_context():
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    if security_manager.find_user("admin") is None:
        # The password is set at each start, by `ops/engines/superset.ts`.
        role = security_manager.find_role("Admin")
        security_manager.add_user("admin", "Local", "Admin", "admin@localhost", role, secrets.token_urlsafe(24))
    db.session.commit()
