package conformance_test

import (
	"cmp"
	"flag"
	"testing"

	"github.com/asyncio-go/asyncio"
)

var (
	programsFlag = flag.String("programs", "", "run the programs of the files that match this pattern, instead of the corpus")
	driverFlag   = flag.String("driver", "", "the driver to run on; the corpus runs on all by default, other tests on the virtual one")
	fuzzFlag     = flag.Int("fuzz-programs", 0, "compare so many fresh programs with CPython 3.13")
	seedFlag     = flag.Int("fuzz-seed", 0, "the first seed of the fresh programs; 0 takes one from the clock")
	profilesFlag = flag.String("fuzz-profiles", "", "the profiles of the fresh programs, separated by commas; all by default")
	changesFlag  = flag.Int("fuzz-changes", 0, "change each fresh program in so many places before it runs")
	workersFlag  = flag.Int("fuzz-workers", 2, "how many CPythons run at a time")
)

// drivers are those that can run on a virtual clock.
var drivers = map[string][]asyncio.Option{
	"virtual":  {asyncio.WithVirtualClock()},
	"system":   {asyncio.WithVirtualClock(), asyncio.WithSystemDriver()}, // epoll on Linux
	"portable": {asyncio.WithVirtualClock(), asyncio.WithPortableDriver()},
}

func driver(t testing.TB) []asyncio.Option {
	t.Helper()
	options, ok := drivers[cmp.Or(*driverFlag, "virtual")]
	if !ok {
		t.Fatalf("-driver: no driver %q runs on a virtual clock", *driverFlag)
	}
	return options
}
