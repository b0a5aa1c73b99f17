//! How `status.conditions` changes: the rules that kstatus, flux and `kubectl wait` rely on.
