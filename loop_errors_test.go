package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestErrorOfAGroupNamesTenAndCountsTheRest(t *testing.T) {
	for _, c := range []struct {
		n          int
		begins     string
		ends       string
		semicolons int
	}{
		{1, "e0", "e0", 0},
		{2, "M (2 errors): e0; e1", "e1", 1},
		{10, "M (10 errors): e0; ", "; e9", 9},
		{11, "M (11 errors): e0; ", "; e10", 10}, // to say that there is one more would be no shorter
		{12, "M (12 errors): e0; ", "; e9; and 2 more", 10},
		{100, "M (100 errors): e0; ", "; e9; and 90 more", 10},
	} {
		e := &asyncio.GroupError{Message: "M"}
		for i := range c.n {
			e.Errors = append(e.Errors, fmt.Errorf("e%d", i))
		}
		if s := e.Error(); !strings.HasPrefix(s, c.begins) || !strings.HasSuffix(s, c.ends) || strings.Count(s, ";") != c.semicolons {
			t.Errorf("of %d: %s", c.n, s)
		}
		if !errors.Is(e, e.Errors[c.n-1]) {
			t.Errorf("of %d: the last is not in it", c.n)
		}
	}
}

func TestTimeoutErrorIsATimeoutOfTheStandardLibraries(t *testing.T) {
	var err error = new(asyncio.TimeoutError)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if temporary, ok := err.(interface{ Temporary() bool }); !ok || !temporary.Temporary() {
		t.Error("it is not temporary, as those of net are")
	}
}

func TestPanicErrorIsTheErrorThatPanicWasGiven(t *testing.T) {
	if err := (&asyncio.PanicError{Value: errBoom}); !errors.Is(err, errBoom) || !strings.Contains(err.Error(), errBoom.Error()) {
		t.Errorf("%v", err)
	}
	if err := (&asyncio.PanicError{Value: 7}); errors.Unwrap(err) != nil || err.Error() != "asyncio: panic: 7" {
		t.Errorf("%v", err)
	}
}
