"""What Alembic runs to bring a database up to date, on the connection that `app.jobs.database` hands it."""

from alembic import context

from app.jobs.schema import metadata


def migrate() -> None:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


# Alembic loads this file by its path and under this name; a plain import does nothing.
if __name__ == "env_py":
    migrate()
