"""What tests of every kind lean on: servers that live as long as the test run, and nothing of the service itself."""
