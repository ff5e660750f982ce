package look

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// Cancel cancels a task of a process. Loop may be 0 when there is only one.
func Cancel(ctx context.Context, s *Screen, arg, task string, loop uint64, o Options) error {
	id, err := strconv.ParseUint(task, 10, 64)
	if err != nil || id == 0 {
		return &UsageError{task, "is no number of a task: 'asyncio ps' shows them as ID"}
	}
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	parameters := []string{"task", strconv.FormatUint(id, 10)}
	if loop != 0 {
		parameters = append(parameters, "loop", strconv.FormatUint(loop, 10))
	}
	c := new(insightwire.Cancelled)
	if err := t.ask(ctx, http.MethodPost, c, "/v1/cancel", parameters...); err != nil {
		return err
	}
	if o.JSON {
		return s.writeJSON(c)
	}
	text := fmt.Sprintf("asked %s of loop %d to end", who(c.Task, map[uint64]string{c.Task: c.Name}), c.Loop)
	if c.Result == "queued" {
		text = fmt.Sprintf("loop %d does not answer: task %d will be asked to end when the loop goes on", c.Loop, c.Task)
	}
	return s.print(s.wrap(text)...)
}
