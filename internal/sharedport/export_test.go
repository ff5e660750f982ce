package sharedport

// Deal is for tests: on Linux nothing else uses it.
var Deal = deal

// Listen is for tests: how many listeners there are shows nowhere else.
var Listen = listen
