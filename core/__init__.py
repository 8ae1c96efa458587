"""What every package stands on: settings, database, events, browser sessions and pages."""
