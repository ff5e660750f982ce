package sharedport

// Deal is for tests: on Linux nothing else uses it.
var Deal = deal
