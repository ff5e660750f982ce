package cli

// Run is Main without the signals.
var Run = run
