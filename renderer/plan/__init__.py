"""Songs -> Plan: takes, jobs, keys, reasons. Pure; done before any weight is loaded."""
