package asyncio

import "runtime"

// What looks at stacks is tried on stacks that a test makes up.
var (
	ProgramCounters = programCounters
	RunsLoop        = runsLoop
	IsSuspended     = isSuspended
	WhatItDoes      = whatItDoes
	PlainFunction   = plainFunction
	CoroPackage     = coroPackage
	RunForeverName  = loopForever
	TaskBodyName    = taskBody
)

// PlaceAndStack returns where the user's code stands, and the stack as it is
// reported.
func PlaceAndStack(frames []runtime.Frame) (place, stack string) {
	c := &culprit{frames: frames}
	return c.place(), c.stack()
}
