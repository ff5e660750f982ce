package asyncio_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestTheDefaultExceptionHandlerLogsWhatItIsTold(t *testing.T) {
	r := newRecord()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := loopOf(ctx)
		for _, c := range []struct {
			told asyncio.ExceptionContext
			want string
		}{
			{asyncio.ExceptionContext{Message: "m", Err: errors.New("e")}, `level=ERROR msg="asyncio: m" error=e`},
			{asyncio.ExceptionContext{Message: "m", Task: asyncio.CurrentTask(ctx), Made: "here"}, `level=ERROR msg="asyncio: m" error=<nil> task=Task-1 made=here`},
			{asyncio.ExceptionContext{Message: "m", Err: &asyncio.PanicError{Value: 7, Stack: []byte("the stack")}}, `level=ERROR msg="asyncio: m\nthe stack" error="asyncio: panic: 7"`},
		} {
			before := len(r.String())
			l.CallExceptionHandler(c.told)
			if got := r.String()[before:]; !strings.HasSuffix(got, " "+c.want+"\n") {
				t.Errorf("it logged %q, want %q", got, c.want)
			}
		}
		return nil
	}, asyncio.WithVirtualClock(), r.option())
	if err != nil {
		t.Error(err)
	}
}

func TestAnExceptionHandlerThatPanicsIsLoggedWithWhatItWasTold(t *testing.T) {
	r := newRecord()
	l := newLoop(t, asyncio.WithVirtualClock(), r.option())
	if l.ExceptionHandler() != nil {
		t.Error("there is a handler from the beginning")
	}
	l.SetExceptionHandler(func(of *asyncio.Loop, c asyncio.ExceptionContext) {
		if of != l || c.Message != "told" {
			t.Errorf("it was told %+v of %p", c, of)
		}
		panic("of the handler")
	})
	l.CallExceptionHandler(asyncio.ExceptionContext{Message: "told"})
	text := r.String()
	told, panicked := strings.Index(text, "asyncio: told"), strings.Index(text, "asyncio: panic in the exception handler")
	if told < 0 || panicked < told || !strings.Contains(text, `error="asyncio: panic: of the handler"`) || !strings.Contains(text, "loop_exceptions_test.go") {
		t.Errorf("it logged %s", text)
	}
	l.SetExceptionHandler(nil)
	l.CallExceptionHandler(asyncio.ExceptionContext{Message: "again"})
	if !strings.Contains(r.String(), "asyncio: again") {
		t.Errorf("without a handler it logged %s", r.String()[len(text):])
	}
}
