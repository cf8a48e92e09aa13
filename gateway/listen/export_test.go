package listen

// Fingerprint lets tests give hellos that no client of ours would send.
var Fingerprint = fingerprint
