package asyncio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestTheErrorOfJobsThatAreLeftNamesTheFirstTen(t *testing.T) {
	for n, want := range map[int]string{1: "): boom", 2: "): boom", 10: "): boom", 11: ", and others): boom", 30: ", and others): boom"} {
		e := &asyncio.JobsLeftError{Err: errBoom}
		for range n {
			e.Jobs = append(e.Jobs, asyncio.Job{Function: "main.f", Running: 1234567 * time.Nanosecond})
		}
		text := e.Error()
		if named := strings.Count(text, "main.f for 1ms"); named != min(n, 10) {
			t.Errorf("of %d jobs %d are named: %s", n, named, text)
		}
		if !strings.HasSuffix(text, want) || strings.Contains(text, "(, ") {
			t.Errorf("%d jobs: %s", n, text)
		}
		if prefix := fmt.Sprintf("asyncio: shutdown of the executor: jobs that are still running: %d (main.f", n); !strings.HasPrefix(text, prefix) {
			t.Errorf("%d jobs: %s", n, text)
		}
		if !errors.Is(e, errBoom) {
			t.Error("it hides why")
		}
	}
}
