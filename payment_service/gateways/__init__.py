"""The payment gateways behind one port: no SQL, no HTTP framework."""
