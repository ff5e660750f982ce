package asyncio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A loop that is closed over jobs says so, but not of those that were told to end before.
func TestAClosedLoopWarnsOfJobsThatNobodyToldToEnd(t *testing.T) {
	for _, c := range []struct {
		cancelled [2]bool
		warns     bool
	}{{[2]bool{false, false}, true}, {[2]bool{true, false}, true}, {[2]bool{true, true}, false}} {
		log := newRecord()
		l := newLoop(t, log.option())
		began, end := make(chan struct{}), make(chan struct{})
		ended := make(chan struct{}, 2)
		for _, cancelled := range c.cancelled {
			f := asyncio.RunInExecutor(l, nil, func(context.Context) (int, error) {
				began <- struct{}{}
				<-end
				ended <- struct{}{}
				return 0, nil
			})
			<-began
			if cancelled {
				f.Cancel()
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(end)
		<-ended
		<-ended
		if got := strings.Contains(log.String(), "while jobs are under way"); got != c.warns {
			t.Errorf("%v were cancelled, and the log says %q", c.cancelled, log.String())
		}
	}
}

func TestAJobOfAClosedLoopFails(t *testing.T) {
	l := newLoop(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := asyncio.RunInExecutor(l, nil, nothing)
	if f == nil || !f.Done() || !errors.Is(f.Err(), asyncio.ErrLoopClosed) {
		t.Errorf("the future is %v", f)
	}
}

func TestJobsAreShownWithTheTimeThatTheyHaveRun(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(1)
	begun, letGo := manyJobs(t, e, 1)
	<-begun
	jobs := e.Stats().Jobs
	if len(jobs) != 1 || jobs[0].Running < 0 || jobs[0].Running > time.Hour {
		t.Errorf("%+v", jobs)
	}
	letGo()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
