package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// The one that is looked for may stand behind very many others.
func TestTheWatchdogFindsAGoroutineAmongVeryMany(t *testing.T) {
	end := make(chan struct{})
	ids := make(chan uint64)
	var all sync.WaitGroup
	var standing func(depth int)
	standing = func(depth int) {
		if depth > 0 {
			standing(depth - 1)
			return
		}
		var id uint64
		buf := make([]byte, 64)
		fmt.Sscanf(string(buf[:runtime.Stack(buf, false)]), "goroutine %d ", &id)
		ids <- id
		<-end
	}
	var last uint64
	for range 1000 { // of two kilobytes each
		all.Go(func() { standing(20) })
		last = max(last, <-ids)
	}
	if s := asyncio.StackOfGoroutine(last); !strings.HasPrefix(s, fmt.Sprintf("goroutine %d ", last)) ||
		!strings.Contains(s, "FindsAGoroutineAmongVeryMany") || strings.Contains(s, "\n\n") {
		t.Errorf("the stack of goroutine %d is\n%.500s", last, s)
	}
	if s := asyncio.StackOfGoroutine(1 << 60); !strings.HasPrefix(s, "its stack is not among the first ") {
		t.Errorf("the stack of nobody is\n%.500s", s)
	}
	close(end)
	all.Wait()
}

func TestPackagesOfGosLibraryAreKnownByTheirNamesWhereFilesDoNotTell(t *testing.T) {
	for name, want := range map[string]bool{
		"time.Sleep":            true,
		"net/http.(*Client).Do": true,
		"main.main":             false,
		"main.(*worker).run":    false,
		"mainline.run":          true,
		"github.com/asyncio-go/asyncio.(*Loop).Run": false,
		"example.com/x/net/http.Get":                false,
	} {
		if got := asyncio.IsStandardByName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// In debug mode what is the loop's alone panics on another goroutine.
func TestAWaitGraphIsForTheLoopsGoroutineInDebugMode(t *testing.T) {
	for _, debug := range []bool{false, true} {
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			l := must(asyncio.RunningLoop(ctx))
			panicked, err := asyncio.ToThread(ctx, func(context.Context) (panicked bool, _ error) {
				defer func() { panicked = recover() != nil }()
				if debug { // else nobody looks, and it would be a data race
					l.WaitGraph()
				}
				return false, nil
			})
			if panicked != debug {
				t.Errorf("debug mode %v: it panicked: %v", debug, panicked)
			}
			l.WaitGraph()
			return err
		}, asyncio.WithDebug(debug))
		if err != nil {
			t.Fatal(err)
		}
	}
}
