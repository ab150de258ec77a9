"""What every service stands on: errors, deadlines, channels, servers, settings, telemetry. It knows no service."""
